import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { rmSync } from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'
import { packageRoot } from '../src/package-files.js'
import { collect } from '../test/support/collect.js'
import { natsServerUrl } from '../test/support/nats.js'
import { putInPieces } from '../test/support/nats-pieces.js'
import { releasedBinary } from '../test/support/released.js'
import { SIZES } from './support/dataset.js'
import { snapshotOf } from './support/publish.js'
import type { Bench, Question } from './support/question.js'
import type { Column } from './support/result.js'
import { ratios, spread } from './support/stats.js'

const run = promisify(execFile)

/** Bytes of one chunk: what Litestream 0.5.17 hands on for a compressed page of some 900 bytes. */
const PIECE = 900

const COLUMNS: readonly Column[] = [
  { key: 'size', label: 'snapshot', unit: 'bytes' },
  { key: 'chunks', label: 'chunks', unit: 'count' },
  { key: 'ours', label: 'restore', unit: 's' },
  { key: 'official', label: 'Litestream 0.5.17', unit: 's' },
  { key: 'ratio', label: 'restore / Litestream', unit: 'x' },
]

export const natsPieces: Question = {
  name: 'nats-pieces',
  question: 'How long does a restore from NATS take if Litestream wrote the replica, in chunks of about 900 bytes?',
  limit:
    'The number of messages that one connection delivers per second limits the speed of this restore. The times of litestream-ts and Litestream are those of a whole process, from its start to its exit.',
  budget: 60,
  needs: { nats: true },
  async run(bench) {
    const official = peer(bench)
    const sizes = bench.quick ? [SIZES['10 MB']] : [SIZES['10 MB'], 4 * SIZES['10 MB']]
    const rows = []
    for (const posts of sizes) {
      const body = Buffer.concat(await collect(snapshotOf(bench.dataset(posts).file, Date.now())))
      const bucket = `bench-${randomUUID()}`
      bench.progress(`writing ${Math.round(body.length / 1e6)} MB in pieces`)
      const chunks = await putInPieces(bucket, body, [PIECE])
      const url = `${natsServerUrl()}/${bucket}`
      const [ours, theirs]: number[][] = [[], []]
      for (let round = 0; round < bench.rounds(5); round++) {
        const cli = path.join(packageRoot(), 'dist/cli/main.js')
        ours!.push(await restore(bench, process.execPath, [cli, 'restore', '-integrity-check', 'none'], url))
        if (official) theirs!.push(await restore(bench, official, ['restore'], url))
      }
      rows.push({
        ...{ size: body.length, chunks, ours: spread(ours!) },
        ...(official ? { official: spread(theirs!), ratio: ratios(ours!, theirs!) } : { official: null, ratio: null }),
      })
    }
    return [{ id: 'nats-pieces', title: 'Restore of a snapshot in small chunks from NATS', columns: COLUMNS, rows }]
  },
}

/**
 * Litestream 0.5.17: `LITESTREAM_BIN`, or fetched; undefined, and a line that says why, if it
 * cannot be had.
 */
function peer(bench: Bench): string | undefined {
  try {
    return process.env.LITESTREAM_BIN ?? releasedBinary('0.5.17')
  } catch (error) {
    bench.progress(`without Litestream 0.5.17, which cannot be had: ${(error as Error).message.split('\n', 1)[0]}`)
    return undefined
  }
}

/** Seconds of a whole process. */
async function restore(bench: Bench, command: string, args: readonly string[], url: string): Promise<number> {
  const output = path.join(bench.directory, 'restored.db')
  rmSync(output, { force: true })
  const start = performance.now()
  await run(command, [...args, '-o', output, url])
  return (performance.now() - start) / 1000
}
