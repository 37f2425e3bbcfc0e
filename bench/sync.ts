import { mkdirSync, rmSync, statSync } from 'node:fs'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import Database from 'better-sqlite3'
import { Replicator } from '../src/primary/replicator.js'
import { openReplicaClient } from '../src/storage/open.js'
import { snapshotOf } from './support/publish.js'
import type { Question } from './support/question.js'
import { Random } from './support/random.js'
import type { Column } from './support/result.js'
import { ratios, spread } from './support/stats.js'

const COLUMNS: readonly Column[] = [
  { key: 'store', label: 'store', unit: 'text' },
  { key: 'rate', label: 'sync', unit: 'MB/s' },
  { key: 'encode', label: 'encoding the pages only', unit: 'MB/s' },
  { key: 'plain', label: 'plain write of the same pages', unit: 'MB/s' },
  { key: 'ratio', label: 'sync / plain', unit: 'x' },
]

export const sync: Question = {
  name: 'sync',
  question: 'How many MB of changed pages does a primary upload to the store per second?',
  limit:
    'The processor core that reads, verifies and compresses the pages limits the speed of a sync, and so does the store. The benchmark compares a sync with one plain write of the same pages.',
  needs: { s3: true },
  async run(bench) {
    const stage = await bench.stage()
    const pages = bench.size(20_000, 2000)
    const rows = []
    for (const { store, url } of [
      { store: 'file', url: (name: string) => pathToFileURL(path.join(bench.directory, name, 'replica')).href },
      { store: 's3', url: (name: string) => stage.directUrl(name) },
    ]) {
      bench.progress(store)
      const [rates, encodes, plains]: number[][] = [[], [], []]
      for (let round = bench.rounds(5, 1); round > 0; round--) {
        const name = `${store}-${round}`
        const directory = path.join(bench.directory, name)
        mkdirSync(directory)
        const file = path.join(directory, 'app.db')
        rates!.push(await syncOnce(file, url(name), pages))
        encodes!.push(await encodeOnce(file))
        const client = await openReplicaClient(url(`${name}-plain`))
        const body = Buffer.alloc(pages * 4096, 'page')
        const start = performance.now()
        await client.write({ level: 0, minTxid: 1, maxTxid: 1 }, body, { timestamp: 1 })
        plains!.push(body.length / (performance.now() - start) / 1000)
        await client.close()
        rmSync(directory, { recursive: true })
      }
      const alone = { encode: spread(encodes!), plain: spread(plains!) }
      rows.push({ store, rate: spread(rates!), ...alone, ratio: ratios(rates!, plains!) })
    }
    return [{ id: 'sync', title: 'One sync of many changed pages, until the upload ends', columns: COLUMNS, rows }]
  },
}

/** MB of pages a second. */
async function syncOnce(file: string, url: string, pages: number): Promise<number> {
  const db = new Database(file)
  db.pragma('journal_mode = wal')
  db.pragma('wal_autocheckpoint = 0')
  db.exec('CREATE TABLE blobs (id INTEGER PRIMARY KEY, content TEXT)')
  const replicator = new Replicator(file, await openReplicaClient(url), { minCheckpointPages: 10 * pages }, () => {})
  try {
    await replicator.sync({ wait: true })
    const random = new Random(1)
    const texts = Array.from({ length: 50 }, () => random.text(600))
    const insert = db.prepare('INSERT INTO blobs (content) VALUES (?)')
    db.transaction(() => {
      for (let i = 0; i < pages; i++) insert.run(texts[i % texts.length]!.slice(0, 3500))
    })()
    const start = performance.now()
    await replicator.sync({ wait: true })
    return (pages * 4096) / (performance.now() - start) / 1000
  } finally {
    await replicator.abandon()
    db.close() // which copies the WAL into the database, as the last connection
  }
}

/** MB of pages a second that one core reads, compresses and sums, without WAL, disk and store. */
async function encodeOnce(file: string): Promise<number> {
  const start = performance.now()
  for await (const _ of snapshotOf(file, 1));
  return statSync(file).size / (performance.now() - start) / 1000
}
