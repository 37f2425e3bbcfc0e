import { execFile } from 'node:child_process'
import { rmSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import Database from 'better-sqlite3'
import { formatTxid } from '../../src/ltx/txid.js'
import { openReplica } from '../../src/replica/handle/open-replica.js'
import type { ReplicaOptions } from '../../src/replica/options.js'
import { restore } from '../../src/restore/restore.js'
import { openReplicaClient } from '../../src/storage/open.js'
import { cleanUp } from '../support/clean-up.js'
import { collect } from '../support/collect.js'
import { Random } from '../support/random.js'
import { createBank, look, opsOf } from './bank.js'
import { checkHistory, type HistoryCounts, type RestoredState } from './check.js'
import type { ClientSettings } from './client-process.js'
import { Client } from './clients.js'
import { readEntries } from './log.js'
import { type Place, placeIn, type Scope, type StoreName } from './places.js'

export interface HistoryOptions {
  readonly store: StoreName
  readonly seed: number
  /** How long the processes run, seconds. */
  readonly seconds: number
  /** Also ends after so many commits. */
  readonly commits?: number
  readonly writers: number
  readonly readers: number
  /** Commits go to a local buffer; one writer only. */
  readonly isBuffered?: boolean
  /** The longest fault, milliseconds; 0: no faults. */
  readonly longest: number
  /** How many TXIDs are restored, besides the newest. */
  readonly sample: number
  /** The released Litestream, which restores them too. */
  readonly official: string | undefined
  readonly say: (line: string) => void
}

export interface HistoryResult extends HistoryCounts {
  /** How often each fault happened. */
  readonly faults: ReadonlyMap<string, number>
}

/** Shorter than the faults, so that another writer takes over while one is stopped. */
const LEASE = '1s'
/** Bounds how long a transaction waits for a store that does not respond. */
const READ_TIMEOUT = '2s'

/**
 * Processes write to one replica and read it while they are killed, stopped and cut off from the
 * store. Then checks what they have seen (check.ts). Throws an error with the seed and every
 * violation; the logs are kept then.
 */
export async function runHistory(t: Scope, options: HistoryOptions): Promise<HistoryResult> {
  const directory = await mkdtemp(path.join(tmpdir(), 'litestream-history-'))
  let isRight = false
  cleanUp(t, () => {
    if (isRight) rmSync(directory, { recursive: true, force: true })
    else options.say(`the files are in ${directory}`)
  })
  const { store, seed } = options
  try {
    const result = await new History(t, options, directory).run()
    isRight = true
    return result
  } catch (error) {
    throw new Error(`store ${store}, seed ${seed}: ${(error as Error).message}`, { cause: error })
  }
}

class History {
  readonly #scope: Scope
  readonly #options: HistoryOptions
  readonly #directory: string
  readonly #random: Random
  readonly #faults = new Map<string, number>()
  /** Uploads what the buffer of a writer still has. */
  #drain: () => Promise<void> = async () => {}

  constructor(scope: Scope, options: HistoryOptions, directory: string) {
    this.#scope = scope
    this.#options = options
    this.#directory = directory
    this.#random = new Random(options.seed)
  }

  async run(): Promise<HistoryResult> {
    const place = await placeIn(this.#scope, this.#options.store, this.#directory)
    await this.#create(place)
    const clients = await this.#startClients(place)
    const end = new AbortController()
    const faults = clients.map((client) => this.#disturb(client, end.signal))
    await this.#wait(place)
    end.abort()
    await Promise.all(faults)
    const stopped = await Promise.allSettled(clients.map((client) => client.stop()))
    await this.#drain()
    const logs = clients.flatMap((client) => client.logs.map(readEntries))
    const { txids, final, sample } = await this.#restoreAll(place)
    const isBuffered = this.#options.isBuffered ?? false
    const { violations, counts } = checkHistory({ logs, txids, final, sample, isBuffered })
    const failures = stopped.flatMap((each) => (each.status === 'rejected' ? [String(each.reason)] : []))
    const wrong = [...violations, ...failures]
    if (wrong.length > 0) throw new Error(`${wrong.length} violations:\n${wrong.slice(0, 20).join('\n')}`)
    return { ...counts, faults: this.#faults }
  }

  async #create({ url }: Place): Promise<void> {
    const replica = await openReplica(url, { write: { lease: false } })
    const db = new Database(replica.uri)
    db.pragma(`page_size = ${this.#random.pick([512, 1024, 4096, 16384])}`)
    createBank(db)
    db.close()
    await replica.close()
  }

  async #startClients(place: Place): Promise<Client[]> {
    const { writers, readers, longest, isBuffered } = this.#options
    // All writers of a replica use leases, or none; without faults they race.
    const hasLease = longest > 0 && !isBuffered && this.#random.chance(0.5)
    const buffer = {
      durability: 'local',
      bufferPath: path.join(this.#directory, 'app.buffer'),
      syncInterval: '200ms',
    } as const
    const stored = hasLease ? { lease: LEASE, compaction: ['1s', '3s'] } : { lease: false as const }
    const write: ReplicaOptions['write'] = isBuffered ? { ...buffer, lease: false } : stored
    const common = { pollInterval: '50ms', readTimeout: READ_TIMEOUT }
    const kinds = [
      ...Array.from({ length: writers }, (_, i) => ({
        kind: `writer${i}`,
        options: { ...common, write },
        writes: 0.8,
      })),
      ...Array.from({ length: readers }, (_, i) => ({ kind: `reader${i}`, options: common, writes: 0 })),
    ]
    const clients: Client[] = []
    for (const { kind, options, writes } of kinds) {
      const way = await place.way()
      // A buffer belongs to the URL with which it was made.
      if (isBuffered && writes > 0) this.#drain = () => flushBuffer(way.url, { write })
      const settings = (name: string): ClientSettings => ({
        ...{ name, url: way.url, options, writes },
        log: path.join(this.#directory, `${name}.log`),
        seed: this.#random.integer(1, 2 ** 31),
        // A writer with a lease lets others in by closing.
        reopens: hasLease && writes > 0 ? 0.1 : 0.005,
      })
      const client = new Client(this.#scope, kind, way, settings)
      clients.push(client)
    }
    await Promise.all(clients.map((client) => client.start()))
    return clients
  }

  async #disturb(client: Client, signal: AbortSignal): Promise<void> {
    const { longest } = this.#options
    if (longest === 0) return
    while (!signal.aborted) {
      const pause = delay(this.#random.integer(0, 2 * longest), undefined, { signal })
      await pause.catch(() => undefined) // the end of the history
      if (signal.aborted) return
      const what = await client.fault(this.#random, longest)
      this.#faults.set(what, (this.#faults.get(what) ?? 0) + 1)
    }
  }

  /** Until the time is over, or the commits have been made. */
  async #wait({ url }: Place): Promise<void> {
    const { seconds, commits } = this.#options
    const end = performance.now() + seconds * 1000
    const client = await openReplicaClient(url)
    try {
      for (;;) {
        const left = end - performance.now()
        if (left <= 0) return
        await delay(Math.min(left, commits === undefined ? left : 500))
        if (commits !== undefined && (await l0Of(client)).length > commits) return
      }
    } finally {
      await client.close()
    }
  }

  async #restoreAll(place: Place) {
    const client = await openReplicaClient(place.url)
    try {
      const txids = await l0Of(client)
      const newest = Math.max(...txids)
      const states: RestoredState[] = []
      for (const txid of [newest, ...this.#sampleOf(newest)]) {
        const output = path.join(this.#directory, `${txid}.db`)
        await restore(client, { output, txid, integrityCheck: 'full' })
        states.push(stateOf(output, 'litestream-ts', txid))
        rmSync(output)
        if (this.#options.official) states.push(await this.#restoreWithOfficial(place, txid))
      }
      const [final, ...sample] = states
      return { txids, final: final!, sample }
    } finally {
      await client.close()
    }
  }

  #sampleOf(newest: number): readonly number[] {
    return Array.from({ length: Math.min(this.#options.sample, newest) }, () => this.#random.integer(1, newest))
  }

  async #restoreWithOfficial({ official: { url, env } }: Place, txid: number): Promise<RestoredState> {
    const output = path.join(this.#directory, `${txid}-official.db`)
    // With AWS_CA_BUNDLE set its S3 client does not start.
    const inherited = { ...process.env, ...env, AWS_CA_BUNDLE: undefined }
    const args = ['restore', '-txid', formatTxid(txid), '-o', output, url]
    await promisify(execFile)(this.#options.official!, args, { env: inherited, timeout: 60_000 })
    const state = stateOf(output, 'Litestream', txid)
    rmSync(output)
    return state
  }
}

async function flushBuffer(url: string, options: ReplicaOptions): Promise<void> {
  const replica = await openReplica(url, options)
  try {
    await replica.flush()
  } finally {
    await replica.close()
  }
}

async function l0Of(client: Awaited<ReturnType<typeof openReplicaClient>>): Promise<number[]> {
  return (await collect(client.list(0))).map(({ maxTxid }) => maxTxid)
}

function stateOf(file: string, by: string, txid: number): RestoredState {
  const db = new Database(file)
  try {
    const check = db.pragma('integrity_check', { simple: true })
    if (check !== 'ok') throw new Error(`TXID ${txid}, restored by ${by}: integrity_check: ${check}`)
    return { by, seen: look(db, () => txid), ops: opsOf(db) }
  } finally {
    db.close()
  }
}
