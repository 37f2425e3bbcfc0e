// How fast, and with how much memory, is a database of N MB (first argument, default 2048) restored from a file:// replica?
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { LtxEncoder } from '../src/ltx/encoder.js'
import { restore } from '../src/restore/restore.js'
import { openReplicaClient } from '../src/storage/open.js'
import { samplePages, sampleSnapshot } from './pages.js'

const megabytes = Number(process.argv[2] ?? 2048)
const pageSize = 4096
const commit = (megabytes * 1024 * 1024) / pageSize
const dir = mkdtempSync(path.join(tmpdir(), 'bench-restore-'))
try {
  const client = await openReplicaClient(`file://${dir}/replica`)
  let start = performance.now()
  const snapshot = await client.write({ level: 9, minTxid: 1, maxTxid: 1 }, sampleSnapshot(pageSize, commit), {
    timestamp: 1,
  })
  console.log(`wrote a snapshot of ${(snapshot.size / 2 ** 20).toFixed()} MiB at ${rate(start)}`)
  // Ten more files of 1,000 scattered pages each.
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
  const before = process.memoryUsage().rss
  let peak = before
  for (let run = 1; run <= 2; run++) {
    start = performance.now()
    const onProgress = () => {
      peak = Math.max(peak, process.memoryUsage().rss)
    }
    await restore(client, { output: path.join(dir, 'out.db'), force: true, integrityCheck: 'none', onProgress })
    console.log(
      `run ${run}: restored ${megabytes} MiB at ${rate(start)}, RSS at most ${(peak / 2 ** 20).toFixed()} MiB (before ${(before / 2 ** 20).toFixed()})`,
    )
  }
} finally {
  rmSync(dir, { recursive: true })
}

function rate(start: number): string {
  return `${((megabytes * 1.048576) / ((performance.now() - start) / 1000)).toFixed()} MB/s of pages`
}
