import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import Database from 'better-sqlite3'
import { openReplica } from '../src/index.js'
import { readLayout } from '../src/levels/remote-layout.js'
import type { LtxFileInfo, ReplicaClient } from '../src/storage/replica-client.js'
import { type Dataset, SIZES } from './support/dataset.js'
import { HeldProcess } from './support/held-process.js'
import { QUERIES } from './support/queries.js'
import type { Question } from './support/question.js'
import { Random } from './support/random.js'
import type { Column, ResultTable } from './support/result.js'
import { startWriter } from './support/writer.js'

/** Small transactions per second: together about 400 pages. */
const RATE = 150

const COLUMNS: readonly Column[] = [
  { key: 'subject', label: 'follower', unit: 'text' },
  { key: 'pages', label: 'pages changed, per s', unit: 'per s' },
  { key: 'requests', label: 'requests, per s', unit: 'per s' },
  { key: 'lists', label: 'LISTs among them, per s', unit: 'per s' },
  { key: 'bytes', label: 'bytes, per s', unit: 'bytes' },
  { key: 'txids', label: 'TXIDs, per s', unit: 'per s' },
  { key: 'cpu', label: 'processor', unit: '%' },
]

export const follow: Question = {
  name: 'follow',
  question: `How many requests and how much processor time does a reader need to follow a primary that commits ${RATE} times a second?`,
  limit: 'A reader needs at least one LIST per poll, and one download of each changed page.',
  needs: { s3: true },
  async run(bench) {
    const data = bench.dataset(SIZES['10 MB'])
    const stage = await bench.stage()
    bench.progress('starting the primary')
    // Without the proxy, which counts only the follower's requests.
    const primary = await stage.client('app.db')
    const writer = await startWriter(data.file, bench.directory, stage.directUrl('app.db'), RATE)
    const rows: ResultTable['rows'][number][] = []
    try {
      for (const [subject, hydrate, reads] of [
        ['replica that nobody reads', undefined, 0],
        ['replica, 20 reads a second', undefined, 20],
        ['full local copy', path.join(bench.directory, 'copy.db'), 0],
        ['full local copy, 20 reads a second', path.join(bench.directory, 'copy-read.db'), 20],
      ] as const) {
        bench.progress(subject)
        const held = await HeldProcess.start(
          ...[import.meta.url, 'holdFollower', stage.url('app.db'), hydrate ?? null, reads, data],
        )
        await delay(bench.size(3000, 1000))
        const [cpu, first] = [held.cpu, await newestTxid(primary)]
        await stage.proxy.reset()
        const start = performance.now()
        await delay(bench.size(8000, 2000))
        const { requests, lists, bytes } = await stage.counted()
        const seconds = (performance.now() - start) / 1000
        const last = await newestTxid(primary)
        rows.push({
          subject,
          pages: (await changedPages(primary, first, last)) / seconds,
          requests: requests / seconds,
          lists: lists / seconds,
          bytes: bytes / seconds,
          txids: (last - first) / seconds,
          cpu: (held.cpu - cpu) / seconds / 10,
        })
        await held.stop()
      }
    } finally {
      await writer.close()
      await primary.close()
    }
    const notes = [
      'The benchmark measures the steady state, on S3, with one poll per second and a complete local copy. The column "processor" contains the use of one processor core.',
    ]
    return [{ id: 'follow', title: 'Following a busy primary', columns: COLUMNS, rows, notes }]
  },
}

async function files(client: ReplicaClient, fromTxid: number): Promise<LtxFileInfo[]> {
  const all = []
  for await (const file of client.list(0, { fromTxid })) all.push(file)
  return all
}

async function newestTxid(client: ReplicaClient): Promise<number> {
  return (await files(client, 1)).at(-1)!.maxTxid
}

/** Pages in the files of level 0 after one TXID, up to another. */
async function changedPages(client: ReplicaClient, after: number, upTo: number): Promise<number> {
  let pages = 0
  for (const file of await files(client, after + 1)) {
    if (file.maxTxid <= upTo) pages += (await readLayout(client, file)).index.count
  }
  return pages
}

/** A replica with one connection that reads scattered rows this many times per second. */
export async function holdFollower(url: string, hydrate: string | null, reads: number, data: Dataset) {
  const replica = await openReplica(url, hydrate === null ? {} : { hydrate })
  await replica.whenHydrated()
  const db = new Database(replica.uri, { readonly: true })
  const { sql, parameters } = QUERIES[0]!
  const statement = db.prepare(sql)
  const random = new Random(5)
  const timer = setInterval(() => statement.all(...parameters(random, data)), reads === 0 ? 2 ** 30 : 1000 / reads)
  return async () => {
    clearInterval(timer)
    db.close()
    await replica.close()
  }
}
