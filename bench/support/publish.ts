import { open } from 'node:fs/promises'
import { LtxEncoder } from '../../src/ltx/encoder.js'
import { lockPgno } from '../../src/ltx/format.js'
import type { LtxFileInfo, ReplicaClient } from '../../src/storage/replica-client.js'

const BATCH_PAGES = 256

/** Writes a database file, whose journal is empty, to a replica as the snapshot of TXID 1. */
export function publishSnapshot(client: ReplicaClient, file: string, timestamp = Date.now()): Promise<LtxFileInfo> {
  const ref = { level: 9, minTxid: 1, maxTxid: 1 }
  return client.write(ref, snapshotOf(file, timestamp), { timestamp })
}

/** The pieces of that snapshot. */
export async function* snapshotOf(file: string, timestamp: number): AsyncGenerator<Uint8Array> {
  const handle = await open(file)
  try {
    const header = new Uint8Array(100)
    await handle.read(header, 0, 100, 0)
    const stored = new DataView(header.buffer).getUint16(16)
    const pageSize = stored === 1 ? 65536 : stored
    const commit = (await handle.stat()).size / pageSize
    const encoder = new LtxEncoder({ pageSize, commit, minTxid: 1, maxTxid: 1, timestamp })
    yield encoder.start()
    for (let first = 1; first <= commit; first += BATCH_PAGES) {
      const pages = Buffer.alloc(Math.min(BATCH_PAGES, commit + 1 - first) * pageSize)
      await handle.read(pages, 0, pages.length, (first - 1) * pageSize)
      yield* encoded(encoder, first, pages, pageSize)
    }
    yield encoder.finish()
  } finally {
    await handle.close()
  }
}

/** The frames of neighbouring pages, without the lock page. */
function* encoded(encoder: LtxEncoder, first: number, pages: Buffer, pageSize: number): Generator<Uint8Array> {
  const count = pages.length / pageSize
  const lock = lockPgno(pageSize) - first
  const stretches = lock >= 0 && lock < count ? [[0, lock] as const, [lock + 1, count] as const] : [[0, count] as const]
  for (const [from, to] of stretches) {
    if (from === to) continue
    const pgnos = Uint32Array.from({ length: to - from }, (_, i) => first + from + i)
    yield encoder.pages(pgnos, pages.subarray(from * pageSize, to * pageSize))
  }
}
