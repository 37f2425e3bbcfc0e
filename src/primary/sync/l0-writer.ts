import { LtxEncoder, type LtxHeaderInit } from '../../ltx/encoder.js'
import { maxFrameSize } from '../../ltx/format.js'
import type { PageRun } from '../source/page-runs.js'
import type { LtxStaging } from './staging.js'

export interface WrittenL0 {
  /** In bytes. */
  readonly size: number
  readonly pages: number
}

class Outdated extends Error {}

/**
 * Writes one L0 file. `stillThere` is called after the last page was read and before the file is
 * renamed. If `stillThere` returns false, the WAL was restarted meanwhile and the pages read may be
 * later ones: nothing is written, and undefined is returned.
 */
export async function writeL0(
  staging: LtxStaging,
  header: LtxHeaderInit & { readonly timestamp: number },
  runs: Iterable<PageRun>,
  stillThere: () => boolean,
): Promise<WrittenL0 | undefined> {
  const encoder = new LtxEncoder(header)
  async function* pieces(): AsyncGenerator<Uint8Array, void, undefined> {
    yield encoder.start()
    let room: Uint8Array | undefined
    for (const run of runs) {
      // A piece is written before the next one is requested.
      room ??= new Uint8Array(run.pgnos.length * maxFrameSize(header.pageSize))
      yield encoder.pages(run.pgnos, run.pages, room)
    }
    if (!stillThere()) throw new Outdated()
    yield encoder.finish()
  }
  try {
    const { size } = await staging.write(header.maxTxid, pieces(), header.timestamp)
    return { size, pages: encoder.pageCount }
  } catch (error) {
    if (error instanceof Outdated || (error as Error).cause instanceof Outdated) return undefined
    throw error
  }
}
