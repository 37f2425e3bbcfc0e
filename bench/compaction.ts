// Page data that a compaction merges a second, beside what decompressing and summing the same bytes alone takes.
import { mergeLtx } from '../src/compaction/merge.js'
import { LtxEncoder } from '../src/ltx/encoder.js'
import { verifyLtx } from '../src/ltx/verify.js'
import { samplePages } from './pages.js'

const pageSize = 4096
const count = 40_000
const pages = samplePages(pageSize, count)

/** A file of the pages first, first+step, … */
function file(txid: number, step: number): Uint8Array {
  const encoder = new LtxEncoder({ pageSize, commit: count * 8, minTxid: txid, maxTxid: txid })
  const pgnos = Uint32Array.from({ length: count }, (_, i) => 1 + i * step)
  const parts = [encoder.start()]
  for (let i = 0; i < count; i += 1000) {
    parts.push(encoder.pages(pgnos.subarray(i, i + 1000), pages.subarray(i * pageSize, (i + 1000) * pageSize)))
  }
  return Buffer.concat([...parts, encoder.finish()])
}

async function* chunks(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 256 * 1024) yield bytes.subarray(at, at + 256 * 1024)
}

for (const n of [1, 2, 4, 8]) {
  // No two steps alike: some pages are in several files, most in one.
  const files = Array.from({ length: n }, (_, i) => file(2 + i, 1 + (i % 4)))
  const bytes = n * count * pageSize
  const time = async (act: () => Promise<void>) => {
    const rates: number[] = []
    for (let run = 0; run < 3; run++) {
      const start = process.cpuUsage()
      await act()
      const { user, system } = process.cpuUsage(start)
      rates.push(bytes / (user + system))
    }
    return Math.max(...rates)
  }
  const alone = await time(async () => {
    for (const bytes of files) await verifyLtx(chunks(bytes), 'x')
  })
  const merged = await time(async () => {
    const { bytes } = await mergeLtx(files.map((bytes, i) => ({ label: `${i}`, bytes: chunks(bytes) })))
    for await (const _ of bytes);
  })
  const share = Math.round((100 * merged) / alone)
  console.log(
    `${n} files: merge ${merged.toFixed()} MB/s of pages a core, decoding alone ${alone.toFixed()} MB/s (${share} %)`,
  )
}
