// A writer or reader of a history, in a process of its own: it runs transactions until its parent
// sends a message, and writes down each of them. Argument: a `ClientSettings` as JSON.
import { setTimeout as delay, setImmediate } from 'node:timers/promises'
import Database from 'better-sqlite3'
import { isLitestreamError } from '../../src/errors.js'
import { openReplica, type Replica } from '../../src/replica/handle/open-replica.js'
import type { ReplicaOptions } from '../../src/replica/options.js'
import { Random } from '../support/random.js'
import { change, look } from './bank.js'
import { appendEntry, type Entry, now, type Outcome } from './log.js'

export interface ClientSettings {
  /** Different for each process, also for a process that replaces a killed one. */
  readonly name: string
  readonly url: string
  readonly log: string
  readonly seed: number
  readonly options: ReplicaOptions
  /** Share of turns that write; the others read. */
  readonly writes: number
  /** Share of turns that close the replica and open it again. */
  readonly reopens: number
}

/** Codes of SQLite that a fault may cause; another one is a finding. */
const EXPECTED = /^SQLITE_(BUSY|IOERR|PERM|CANTOPEN)/
const OPEN_PAUSE = 100

const settings = JSON.parse(process.argv[2]!) as ClientSettings
const random = new Random(settings.seed)
const log = (entry: Entry) => appendEntry(settings.log, entry)
let isStopped = false
let connections = 0
let transactions = 0

interface Opened {
  readonly replica: Replica
  readonly db: Database.Database
  readonly connection: string
}

/** Opens the replica, again and again while the store is away. */
async function open(): Promise<Opened | undefined> {
  while (!isStopped) {
    try {
      const replica = await openReplica(settings.url, settings.options)
      const db = new Database(replica.uri, { timeout: 200 })
      return { replica, db, connection: `${settings.name}/${++connections}` }
    } catch (error) {
      // A buffer of this history's one writer always continues the replica.
      if (!isLitestreamError(error) || isLitestreamError(error, 'WRITE_CONFLICT', 'BUFFER_DAMAGED')) throw error
      await delay(OPEN_PAUSE)
    }
  }
  return undefined
}

async function close({ replica, db }: Opened): Promise<void> {
  db.close()
  // A commit that cannot be resolved in time is unknown, as logged.
  await replica.close().catch((error: unknown) => {
    if (!isLitestreamError(error)) throw error
  })
}

function codeOf(error: unknown): string {
  if (error instanceof Database.SqliteError && EXPECTED.test(error.code)) return error.code
  throw error
}

function write({ db }: Opened): void {
  const id = `${settings.name}-${++transactions}`
  let seq: number | undefined
  let isCommitting = false
  const end = (outcome: Outcome, code?: string) => log({ type: 'result', id, at: now(), outcome, seq, code })
  log({ type: 'invoke', id, at: now() })
  try {
    db.exec(random.chance(0.5) ? 'BEGIN IMMEDIATE' : 'BEGIN')
    seq = change(db, id, random)
    if (random.chance(0.05)) {
      db.exec('ROLLBACK')
      end('refused', 'ROLLBACK')
    } else {
      isCommitting = true
      db.exec('COMMIT')
      end('ok')
    }
  } catch (error) {
    const code = codeOf(error)
    const reason = String(db.prepare('SELECT litestream_error()').pluck().get())
    if (db.inTransaction) db.exec('ROLLBACK')
    end(isCommitting && reason.startsWith('COMMIT_UNKNOWN') ? 'unknown' : 'refused', code)
  }
}

function read({ db, connection }: Opened): void {
  const from = now()
  try {
    const txid = () => Number.parseInt(db.prepare('SELECT litestream_txid()').pluck().get() as string, 16)
    log({ type: 'read', connection, from, state: look(db, txid), at: now() })
  } catch (error) {
    codeOf(error)
  }
}

async function run(): Promise<void> {
  let opened = await open()
  process.send?.('ready')
  while (opened && !isStopped) {
    if (random.chance(settings.writes)) write(opened)
    else read(opened)
    // Lets messages, polls and the events of the replica in.
    await setImmediate()
    if (settings.writes === 0) await delay(random.integer(0, 20))
    if (random.chance(settings.reopens)) {
      await close(opened)
      opened = await open()
    }
  }
  if (opened) await close(opened)
}

process.on('message', () => {
  isStopped = true
})
process.on('disconnect', () => process.exit(0))
try {
  await run()
  process.exit(0)
} catch (error) {
  log({ type: 'fatal', error: String((error as Error).stack) })
  process.exit(1)
}
