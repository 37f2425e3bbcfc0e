import { z } from 'zod'
import { expandPath } from '../../config/expand-path.js'
import { configFromArguments } from '../../config/load.js'
import { isLitestreamError } from '../../errors.js'
import { startTimer, type Timer, timeoutSignal } from '../../util/timers.js'
import { version } from '../../version.js'
import type { Daemon } from './daemon.js'
import type { ManagedDatabase } from './managed-database.js'

/** An answer other than 200. */
export class ControlError extends Error {
  readonly status: number
  readonly details: string | undefined

  constructor(status: number, message: string, details?: string) {
    super(message)
    this.status = status
    this.details = details
  }
}

const withPath = z.object({ path: z.string().min(1, 'path required') })
/** Seconds. */
const timeout = z.number().positive().default(30)
const bodies = {
  start: withPath.extend({ timeout }),
  stop: withPath.extend({ timeout }),
  unregister: withPath.extend({ timeout }),
  sync: withPath.extend({ wait: z.boolean().default(false), timeout }),
  register: withPath.extend({ replica_url: z.string().min(1, 'replica URL required') }),
}

function read<S extends z.ZodType>(schema: S, body: unknown): z.output<S> {
  const result = schema.safeParse(body)
  if (result.success) return result.data
  const [issue] = result.error.issues
  const key = issue!.path.join('.')
  throw new ControlError(
    400,
    issue!.code === 'invalid_type' && key ? `${key} required` : issue!.message,
    key ? `in ${key}` : undefined,
  )
}

/** The routes of the control socket. Every handler is idempotent: a state that is there already is a success and is named. */
export class ControlApi {
  readonly #daemon: Daemon
  readonly #socket: string

  constructor(daemon: Daemon, socket: string) {
    this.#daemon = daemon
    this.#socket = socket
  }

  async handle(method: string, url: URL, body: unknown): Promise<unknown> {
    const path = url.searchParams.get('path')
    switch (`${method} ${url.pathname}`) {
      case 'POST /start':
        return this.#start(read(bodies.start, body))
      case 'POST /stop':
        return this.#stop(read(bodies.stop, body))
      case 'POST /sync':
        return this.#sync(read(bodies.sync, body))
      case 'POST /register':
        return this.#register(read(bodies.register, body))
      case 'POST /unregister':
        return this.#unregister(read(bodies.unregister, body))
      case 'GET /txid':
        if (!path) throw new ControlError(400, 'path required')
        return { txid: this.#find(path, 404).summary().txid }
      case 'GET /list':
        return { databases: this.#daemon.summaries().map(listed) }
      case 'GET /info':
        return this.#info()
      case 'GET /debug/sync-status':
        return {
          databases: (path ? [this.#find(path, 404)] : this.#daemon.databases).map((database) => diagnosis(database)),
        }
      default:
        throw new ControlError(
          404,
          'not found',
          'Routes: POST /start /stop /sync /register /unregister; GET /txid /list /info /debug/sync-status.',
        )
    }
  }

  #find(path: string, status: number): ManagedDatabase {
    const database = this.#daemon.find(expandPath(path))
    if (!database)
      throw new ControlError(status, `database not found: ${path}`, 'litestream-ts list shows what there is')
    return database
  }

  async #start({ path }: z.output<typeof bodies.start>) {
    const database = this.#find(path, 500)
    const running = database.running
    await database.start()
    return this.#state(running ? 'already_running' : 'started', database)
  }

  async #stop({ path, timeout: seconds }: z.output<typeof bodies.stop>) {
    const database = this.#find(path, 500)
    const running = database.running
    await database.stop(timeoutSignal(seconds * 1000))
    return this.#state(running ? 'stopped' : 'already_stopped', database)
  }

  #state(status: string, database: ManagedDatabase) {
    return { status, db_path: database.path, state: database.state, txid: database.lastTxid, socket: this.#socket }
  }

  async #sync({ path, wait, timeout: seconds }: z.output<typeof bodies.sync>) {
    const database = this.#find(path, 404)
    if (!database.replicator)
      throw new ControlError(409, `database is not open: ${path}`, `litestream-ts start ${path}`)
    const started = performance.now()
    const before = database.summary()
    let result: Awaited<ReturnType<ManagedDatabase['sync']>>
    try {
      result = await within(seconds, database.sync(wait))
    } catch (error) {
      if (isLitestreamError(error, 'NOT_FOUND'))
        throw new ControlError(409, error.message, 'There is no database file yet.')
      throw error
    }
    const { txid, replicaTxid } = result
    const nothing = txid === before.txid && replicaTxid === before.replicaTxid
    return {
      status: nothing ? 'no_change' : wait ? 'synced' : 'synced_local',
      db_path: database.path,
      txid,
      ...(replicaTxid === undefined ? {} : { replica_txid: replicaTxid }),
      duration_ms: Math.round(performance.now() - started),
    }
  }

  async #register({ path, replica_url }: z.output<typeof bodies.register>) {
    const [config] = configFromArguments(path, replica_url).databases
    const added = await this.#daemon.add(config!)
    const database = this.#daemon.get(config!.path)
    const status = added ? 'registered' : 'already_registered'
    return { status, db_path: database.path, replica: database.summary().replica, socket: this.#socket }
  }

  async #unregister({ path, timeout: seconds }: z.output<typeof bodies.unregister>) {
    const file = expandPath(path)
    const txid = await this.#daemon.remove(file, timeoutSignal(seconds * 1000))
    return {
      status: txid === undefined ? 'already_unregistered' : 'unregistered',
      db_path: file,
      ...(txid === undefined ? {} : { final_txid: txid }),
      socket: this.#socket,
    }
  }

  #info() {
    const { startedAt, databases } = this.#daemon
    return {
      version,
      pid: process.pid,
      uptime_seconds: Math.floor((Date.now() - startedAt) / 1000),
      started_at: new Date(startedAt).toISOString(),
      database_count: databases.length,
    }
  }
}

function listed(summary: ReturnType<ManagedDatabase['summary']>) {
  const { path, state, lastSyncAt } = summary
  return {
    path,
    status: state,
    ...(lastSyncAt === undefined ? {} : { last_sync_at: new Date(lastSyncAt).toISOString() }),
  }
}

function diagnosis(database: ManagedDatabase) {
  const { path, state, txid, replicaTxid, walSize, lagMs, error } = database.summary()
  return {
    path,
    state,
    txid,
    replica_txid: replicaTxid,
    wal_size: walSize,
    lag_seconds: lagMs / 1000,
    ...(error ? { error: error.message, error_since: new Date(error.since).toISOString() } : {}),
  }
}

async function within<T>(seconds: number, work: Promise<T>): Promise<T> {
  let timer: Timer | undefined
  const late = new Promise<never>((_, reject) => {
    timer = startTimer(seconds * 1000, () =>
      reject(new ControlError(500, `no result within ${seconds} s`, 'The sync goes on; ask again.')),
    )
  })
  try {
    return await Promise.race([work, late])
  } finally {
    timer?.stop()
  }
}
