// A snapshot of N MB (first argument, default 2048) merged from the one before and ten small files: how fast, how much memory?
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createSnapshot } from '../src/compaction/snapshot.js'
import { LtxEncoder } from '../src/ltx/encoder.js'
import { openReplicaClient } from '../src/storage/open.js'
import { samplePages, sampleSnapshot } from './pages.js'

const megabytes = Number(process.argv[2] ?? 2048)
const pageSize = 4096
const commit = (megabytes * 1024 * 1024) / pageSize
const dir = mkdtempSync(path.join(tmpdir(), 'bench-snapshot-'))
try {
  const client = await openReplicaClient(`file://${dir}`)
  await client.write({ level: 9, minTxid: 1, maxTxid: 1 }, sampleSnapshot(pageSize, commit), { timestamp: 1 })
  for (let txid = 2; txid <= 11; txid++) {
    const encoder = new LtxEncoder({ pageSize, commit, minTxid: txid, maxTxid: txid })
    const pgnos = Uint32Array.from({ length: 1000 }, (_, i) => 1 + Math.floor(((i + txid / 20) * commit) / 1000))
    const body = Buffer.concat([
      encoder.start(),
      encoder.pages(pgnos, samplePages(pageSize, 1000, txid)),
      encoder.finish(),
    ])
    await client.write({ level: 0, minTxid: txid, maxTxid: txid }, body, { timestamp: txid })
  }
  let peak = 0
  const before = process.memoryUsage().rss
  const sampler = setInterval(() => {
    peak = Math.max(peak, process.memoryUsage().rss)
  }, 5)
  const start = performance.now()
  await createSnapshot(client)
  clearInterval(sampler)
  const rate = (megabytes * 1.048576) / ((performance.now() - start) / 1000)
  const mib = (bytes: number) => (bytes / 2 ** 20).toFixed()
  console.log(
    `merged ${megabytes} MiB at ${rate.toFixed()} MB/s of pages to disk, RSS at most ${mib(peak)} MiB (before ${mib(before)})`,
  )
} finally {
  rmSync(dir, { recursive: true })
}
