import { LtxEncoder } from '../../src/ltx/encoder.js'
import { openReplicaClient } from '../../src/storage/open.js'

/**
 * Pages with the compressibility of table pages: rows of words and numbers, compressible to about
 * half; equal in every run.
 */
export function samplePages(pageSize: number, count: number, seed = 1): Uint8Array {
  const words = Array.from({ length: 997 }, (_, i) =>
    Buffer.from(`${(i * 7919 + 13).toString(36)}e${(i * 31).toString(26)} `),
  )
  const pages = Buffer.alloc(pageSize * count)
  let x = seed * 2654435761 || 1
  for (let at = 0; at < pages.length; ) {
    x ^= x << 13
    x ^= x >>> 17
    x ^= x << 5
    if ((x & 7) < 5) at += words[(x >>> 3) % words.length]!.copy(pages, at)
    else if (at + 4 <= pages.length) at = pages.writeInt32BE(x, at)
    else break
  }
  return pages
}

/**
 * A whole database of `commit` pages as the stream of one LTX file: 4 MiB of sample pages again and
 * again, each page numbered.
 */
export async function* sampleSnapshot(pageSize: number, commit: number, maxTxid = 1): AsyncGenerator<Uint8Array> {
  const batch = (4 * 1024 * 1024) / pageSize
  const pages = samplePages(pageSize, batch)
  // A restore refuses a first page that is not one of SQLite.
  pages.set(Buffer.from('SQLite format 3\0'))
  const view = new DataView(pages.buffer, pages.byteOffset)
  view.setUint16(16, pageSize === 65536 ? 1 : pageSize)
  const encoder = new LtxEncoder({ pageSize, commit, minTxid: 1, maxTxid })
  yield encoder.start()
  for (let first = 1; first <= commit; first += batch) {
    const pgnos = Array.from({ length: Math.min(batch, commit - first + 1) }, (_, i) => first + i)
    const stored = Uint32Array.from(pgnos.filter((pgno) => pgno !== 0x40000000 / pageSize + 1))
    for (let i = 0; i < stored.length; i++) view.setUint32(i * pageSize + 64, stored[i]!)
    yield encoder.pages(stored, pages.subarray(0, stored.length * pageSize))
  }
  yield encoder.finish()
}

/** Makes a replica of sample pages: a snapshot and ten files of 1,000 scattered pages each. */
export async function publishSample(url: string, pageSize: number, commit: number): Promise<void> {
  const client = await openReplicaClient(url)
  await client.write({ level: 9, minTxid: 1, maxTxid: 1 }, sampleSnapshot(pageSize, commit), { timestamp: 1 })
  for (let txid = 2; txid <= 11; txid++) {
    const encoder = new LtxEncoder({ pageSize, commit, minTxid: txid, maxTxid: txid })
    const pgnos = Uint32Array.from({ length: 1000 }, (_, i) => 1 + Math.floor(((i + txid / 20) * commit) / 1000))
    const start = encoder.start()
    const pages = encoder.pages(pgnos, samplePages(pageSize, 1000, txid))
    const body = Buffer.concat([start, pages, encoder.finish()])
    await client.write({ level: 0, minTxid: txid, maxTxid: txid }, body, { timestamp: txid })
  }
  await client.close()
}
