import { LtxEncoder, type LtxHeaderInit } from '../../src/ltx/encoder.js'
import { lockPgno } from '../../src/ltx/format.js'

/** A stream of the pieces of `bytes`, cut at the offsets given. */
export async function* pieces(bytes: Uint8Array, cuts: readonly number[] = []): AsyncGenerator<Uint8Array> {
  let at = 0
  for (const cut of [...cuts].sort((a, b) => a - b)) {
    yield bytes.slice(at, Math.max(at, cut))
    at = Math.max(at, cut)
  }
  yield bytes.slice(at)
}

/** A page that LZ4 can compress a little, equal for equal seeds. */
export function makePage(pageSize: number, seed: number): Uint8Array {
  const page = new Uint8Array(pageSize)
  let x = (seed * 2654435761) >>> 0 || 1
  for (let i = 0; i < pageSize; i++) {
    if (i % 3 !== 0) {
      x ^= x << 13
      x ^= x >>> 17
      x ^= x << 5
    }
    page[i] = x
  }
  return page
}

/** A whole file with the pages given, in batches of `batch` pages. */
export function makeLtx(init: LtxHeaderInit, pages: ReadonlyMap<number, Uint8Array>, batch = 16, post = 0n): Buffer {
  const encoder = new LtxEncoder({ timestamp: 1_700_000_000_000, ...init })
  const parts = [encoder.start()]
  const pgnos = [...pages.keys()].sort((a, b) => a - b)
  for (let i = 0; i < pgnos.length; i += batch) {
    const part = pgnos.slice(i, i + batch)
    parts.push(encoder.pages(Uint32Array.from(part), Buffer.concat(part.map((pgno) => pages.get(pgno)!))))
  }
  parts.push(encoder.finish(post))
  return Buffer.concat(parts)
}

/** A file that begins at TXID 1 and holds all pages of a database of `commit` pages. */
export function makeSnapshot(pageSize: number, commit: number, maxTxid = 1, seed = 1): Buffer {
  const pages = new Map<number, Uint8Array>()
  for (let pgno = 1; pgno <= commit; pgno++) {
    if (pgno !== lockPgno(pageSize)) pages.set(pgno, makePage(pageSize, seed * 1000 + pgno))
  }
  return makeLtx({ pageSize, commit, minTxid: 1, maxTxid }, pages)
}
