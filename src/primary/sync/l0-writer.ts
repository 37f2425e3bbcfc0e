import { LtxEncoder, type LtxHeaderInit } from '../../ltx/encoder.js'
import { maxFrameSize } from '../../ltx/format.js'
import { type PageRun, RUN_BUFFERS } from '../source/page-runs.js'
import type { LtxStaging } from './staging.js'

export interface WrittenL0 {
  /** Size of the L0 file in bytes. */
  readonly size: number
  readonly pages: number
}

class Outdated extends Error {}

/** A run with at most this many bytes of pages is encoded on the calling thread. */
const SHORT_RUN = 256 * 1024

/**
 * Writes one L0 file. Calls `stillThere` after it has read the last page and before it renames the
 * L0 file to its final name. If `stillThere` returns false, the WAL was restarted during the reads,
 * and the pages may belong to later transactions. `writeL0` then deletes the incomplete L0 file and
 * returns undefined.
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
    yield* encodeRuns(encoder, runs)
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

/**
 * Yields the encoded frames of all runs. A yielded piece is valid until the caller requests the
 * next piece. While the caller writes a piece, other threads encode the next runs.
 */
async function* encodeRuns(encoder: LtxEncoder, runs: Iterable<PageRun>): AsyncGenerator<Uint8Array, void, undefined> {
  const rooms: Uint8Array[] = []
  const encoded: { readonly room: Uint8Array; frames(): Promise<Uint8Array> }[] = []
  async function* first(): AsyncGenerator<Uint8Array, void, undefined> {
    const { room, frames } = encoded.shift()!
    yield await frames()
    rooms.push(room)
  }
  for (const { pgnos, pages } of runs) {
    // To send a short run to another thread and back takes longer than to encode the run.
    if (encoded.length === 0 && pages.length <= SHORT_RUN) {
      yield encoder.pages(pgnos, pages)
      continue
    }
    const room = rooms.pop() ?? new Uint8Array(pgnos.length * maxFrameSize(encoder.header.pageSize))
    encoded.push({ room, frames: encoder.pagesLater(pgnos, pages, room) })
    // The buffer of the oldest run is needed for the next run, so the oldest run is written first.
    if (encoded.length === RUN_BUFFERS) yield* first()
  }
  while (encoded.length > 0) yield* first()
}
