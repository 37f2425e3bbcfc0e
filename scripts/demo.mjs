// `npm run demo`: a database that is being written, its replica in a folder, and a second process
// that reads the replica page by page through the VFS. Ends with a comparison of every table; the
// exit status is 0 only if all agreed.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import Database from 'better-sqlite3'
import { formatTxid, hydrateFile, openReplicaClient, replicate } from '../dist/index.js'
import { contentOf } from './demo/content.mjs'
import { createShop, placeOrders } from './demo/shop.mjs'

const SECONDS = Number(process.env.DEMO_SECONDS ?? 10)
const color = process.stdout.isTTY && !process.env.NO_COLOR
const bold = (text) => (color ? `\x1b[1m${text}\x1b[22m` : text)
const bytes = (n) => `${(n / 2 ** 20).toFixed(1)} MiB`
const number = (n) => n.toLocaleString('en')
const step = (text) => console.log(`\n${bold(text)}`)

const dir = mkdtempSync(path.join(os.tmpdir(), 'litestream-demo-'))
const url = pathToFileURL(path.join(dir, 'replica')).href
const file = path.join(dir, 'shop.db')
let reader
let replication
let failed = false

/** Asks the reading process, and waits for its answer. */
async function ask(question) {
  reader.send(question)
  const [answer] = await once(reader, 'message')
  if (answer.error) throw new Error(`the reader: ${answer.error}`)
  return answer
}

try {
  step('1. A database')
  const db = new Database(file)
  const rows = createShop(db)
  console.log(`   ${file}: ${number(rows)} rows in ${contentOf(db).length} tables, ${bytes(statSync(file).size)}`)

  step('2. Replicated to a folder, as it is written')
  replication = await replicate(file, url, { monitorInterval: 100, syncInterval: 100 })
  replication.on('error', ({ operation, error }) => console.log(`   ${operation}: ${error.message}`))
  await replication.sync({ wait: true })
  const { replicaTxid } = await replication.status()
  console.log(`   ${url}: TXID ${formatTxid(replicaTxid)}, ${bytes(sizeOf(path.join(dir, 'replica')))} compressed`)

  step('3. Read in another process, which has nothing but the URL')
  const uri = `file:shop.db?vfs=litestream&replica_url=${encodeURIComponent(url)}&poll_interval=100ms`
  reader = fork(path.join(import.meta.dirname, 'demo/reader.mjs'), [uri])
  const opened = await ask('open')
  console.log(`   new Database('file:shop.db?vfs=litestream&replica_url=…', { readonly: true })`)
  console.log(
    `   open after ${opened.ms.toFixed(0)} ms: ${bytes(opened.fileSize)} of database, ${bytes(opened.fetched)} of it fetched\n`,
  )
  console.log('          primary           replica')
  console.log('   time   orders    orders  TXID              newest order  misses  crossings')
  const started = Date.now()
  let shown = 0
  while (Date.now() - started < SECONDS * 1000) {
    placeOrders(db, 20)
    await sleep(50)
    if (Date.now() - started < shown * 1000) continue
    shown++
    const primary = db.prepare('SELECT count(*) FROM orders').pluck().get()
    const seen = await ask('look')
    console.log(
      `   ${`${shown} s`.padStart(4)}  ${number(primary).padStart(7)}   ${number(seen.orders).padStart(7)}  ${seen.txid}  ` +
        `${`${seen.age} ms ago`.padStart(12)}  ${number(seen.misses).padStart(6)}  ${number(seen.crossings).padStart(9)}`,
    )
  }

  step('4. A warm query does not leave the process, nor native code')
  const { first, second, crossings } = await ask('warm')
  console.log(
    `   top customers: ${first.toFixed(1)} ms, again: ${second.toFixed(1)} ms with ${crossings} crossings into JavaScript`,
  )
  if (crossings !== 0) failed = true

  step('5. A full local copy')
  const { txid } = await replication.sync({ wait: true })
  const copy = path.join(dir, 'copy.db')
  const client = await openReplicaClient(url)
  const hydrated = await hydrateFile(client, { output: copy })
  await client.close()
  console.log(`   hydrated ${bytes(hydrated.bytes)} at TXID ${formatTxid(hydrated.txid)} in ${hydrated.durationMs} ms`)

  step('6. Every table, on the primary, through the VFS and in the copy')
  const expected = contentOf(db)
  const { tables: read } = await ask({ compare: formatTxid(txid) })
  const copied = new Database(copy, { readonly: true })
  const inCopy = contentOf(copied)
  if (copied.pragma('integrity_check', { simple: true }) !== 'ok') failed = true
  copied.close()
  for (const { name, count, hash } of expected) {
    const agrees = [read, inCopy].every((all) =>
      all.some((t) => t.name === name && t.count === count && t.hash === hash),
    )
    if (!agrees) failed = true
    console.log(`   ${agrees ? 'equal' : 'DIFFERS'}  ${name.padEnd(16)} ${number(count).padStart(8)} rows  ${hash}`)
  }
  if (read.length !== expected.length || inCopy.length !== expected.length) failed = true
  db.close()
  console.log(`\n${bold(failed ? 'They do not agree.' : 'All agree.')}`)
} catch (error) {
  failed = true
  console.error(error)
} finally {
  reader?.disconnect()
  await replication?.close()
  rmSync(dir, { recursive: true, force: true })
}
process.exitCode = failed ? 1 : 0

function sizeOf(folder) {
  const files = readdirSync(folder, { recursive: true }).map((name) => statSync(path.join(folder, name)))
  return files.reduce((sum, stats) => sum + (stats.isFile() ? stats.size : 0), 0)
}
