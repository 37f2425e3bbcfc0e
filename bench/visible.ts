import { mkdirSync } from 'node:fs'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import type { ReplicateOptions } from '../src/index.js'
import { natsUrl } from '../test/support/nats.js'
import { ReplicaReader } from './support/driver-reader.js'
import { LivePrimary } from './support/live-primary.js'
import { hasOfficialVfs, PythonReader } from './support/python-reader.js'
import type { Bench, Question } from './support/question.js'
import type { Column } from './support/result.js'
import { quantile, spread } from './support/stats.js'

const COLUMNS: readonly Column[] = [
  { key: 'store', label: 'store', unit: 'text' },
  { key: 'settings', label: 'settings', unit: 'text' },
  { key: 'stored', label: 'in the store', unit: 'ms' },
  { key: 'visible', label: 'visible', unit: 'ms' },
  { key: 'p95', label: 'visible, p95', unit: 'ms' },
  { key: 'official', label: 'visible, official VFS', unit: 'ms' },
]

const FAST: ReplicateOptions = { monitorInterval: 10, syncInterval: 10 }

export const visible: Question = {
  name: 'visible',
  question: 'How long does it take until a reader can see a commit of the primary?',
  limit:
    'A commit waits for the sync interval of the primary and for the poll interval of the reader, which are 1 s by default. file:// and NATS notify readers of a new file immediately.',
  needs: { s3: true, nats: true },
  async run(bench) {
    const stage = await bench.stage()
    const rows = []
    const file = (name: string) => pathToFileURL(path.join(bench.directory, name, 'replica')).href
    for (const { store, url, official } of [
      { store: 'file', url: file, official: (name: string) => PythonReader.official(file(name)) },
      { store: 's3', url: (name: string) => stage.url(name), official: (name: string) => stage.official(name) },
      { store: 'nats', url: (name: string) => natsUrl(name) },
    ]) {
      for (const { settings, options, pollInterval } of [
        { settings: 'default', options: {}, pollInterval: 1000 },
        { settings: '10 ms sync, 100 ms poll', options: FAST, pollInterval: 100 },
      ]) {
        bench.progress(`${store}, ${settings}`)
        const name = `${store}-${pollInterval}`
        mkdirSync(path.join(bench.directory, name))
        // It can poll at most every second.
        const peer = hasOfficialVfs() && settings === 'default' ? official?.(name) : undefined
        const measured = await measure(bench, name, url(name), options, pollInterval, peer)
        const { stored, seen } = measured
        const sorted = [...seen].sort((a, b) => a - b)
        rows.push({
          store,
          settings,
          stored: spread(stored),
          visible: spread(seen),
          p95: quantile(sorted, 0.95),
          official: measured.official.length === 0 ? null : spread(measured.official),
        })
      }
    }
    const notes = [
      'The measured time starts when COMMIT returns. The primary commits one transaction at a time, at random moments.',
    ]
    return [{ id: 'latency', title: 'Commit to visible', columns: COLUMNS, rows, notes }]
  },
}

async function measure(
  bench: Bench,
  name: string,
  url: string,
  options: ReplicateOptions,
  pollInterval: number,
  peer: PythonReader | undefined,
) {
  const { file } = bench.dataset(12_500)
  const primary = await LivePrimary.start(file, path.join(bench.directory, name), url, options)
  const reader = new ReplicaReader(url, { pollInterval })
  const stored: number[] = []
  const seen: number[] = []
  const official: number[] = []
  try {
    await primary.replication.sync({ wait: true })
    await reader.open()
    await peer?.open()
    for (let n = bench.rounds(9, 3); n > 0; n--) {
      await new Promise((resolve) => setTimeout(resolve, Math.random() * pollInterval))
      const wanted = reader.replica.txid + 1
      const uploaded = new Promise<number>((resolve) => {
        primary.replication.once('upload', () => resolve(performance.now()))
      })
      const advanced = new Promise<number>((resolve) => {
        const onAdvance = ({ txid }: { txid: number }) => {
          if (txid < wanted) return
          reader.replica.off('advance', onAdvance)
          resolve(performance.now())
        }
        reader.replica.on('advance', onAdvance)
      })
      primary.write()
      const committed = performance.now()
      stored.push((await uploaded) - committed)
      seen.push((await advanced) - committed)
      if (!peer) continue
      await peerSees(peer, primary.db.prepare(NEWEST).pluck().get() as number)
      official.push(performance.now() - committed)
    }
  } finally {
    await peer?.close()
    await reader.close()
    await primary.close()
  }
  return { stored, seen, official }
}

const NEWEST = 'SELECT max(id) FROM likes'

/** Resolves when the official VFS, queried repeatedly, returns the row. */
async function peerSees(peer: PythonReader, id: number): Promise<void> {
  for (;;) {
    const { rows } = await peer.run(NEWEST, [[]], { rows: true })
    if ((rows![0]![0] as number) >= id) return
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
