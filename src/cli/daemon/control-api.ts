import { statSync } from 'node:fs'
import { expandPath } from '../../config/expand-path.js'
import { configFromArguments } from '../../config/from-arguments.js'
import { isLitestreamError } from '../../errors.js'
import { fsError, isErrno } from '../../fs/fs-error.js'
import { divergenceJson } from '../../levels/divergence-text.js'
import { elapsedMs } from '../../util/elapsed.js'
import { timeoutSignal } from '../../util/timers.js'
import { version } from '../../version.js'
import { bodies, ControlError, readBody, readPath } from './control-request.js'
import { type Daemon, mayPass } from './daemon.js'
import type { ManagedDatabase } from './managed-database.js'
import { PROFILE_ROUTES } from './profiles.js'

type Body<Name extends keyof typeof bodies> = ReturnType<(typeof bodies)[Name]>
type Handler = (request: { readonly body: unknown; readonly path: string | null }) => unknown

/**
 * The routes of the control socket. Every handler is idempotent. If the database is already in the
 * requested state, the handler succeeds and returns this state. A handler throws ControlError for
 * an invalid request, and rethrows errors of the database.
 */
export class ControlApi {
  readonly #daemon: Daemon
  readonly #socket: string
  readonly #routes: Readonly<Record<string, { readonly method: 'GET' | 'POST'; readonly handle: Handler }>> = {
    '/start': { method: 'POST', handle: ({ body }) => this.#start(readBody(bodies.start, body)) },
    '/stop': { method: 'POST', handle: ({ body }) => this.#stop(readBody(bodies.stop, body)) },
    '/sync': { method: 'POST', handle: ({ body }) => this.#sync(readBody(bodies.sync, body)) },
    '/register': { method: 'POST', handle: ({ body }) => this.#register(readBody(bodies.register, body)) },
    '/unregister': { method: 'POST', handle: ({ body }) => this.#unregister(readBody(bodies.unregister, body)) },
    '/acknowledge': { method: 'POST', handle: ({ body }) => this.#acknowledge(readBody(bodies.acknowledge, body)) },
    '/reload': { method: 'POST', handle: () => this.#daemon.reload() },
    '/txid': { method: 'GET', handle: ({ path }) => ({ txid: this.#find(readPath(path ?? ''), 404).summary().txid }) },
    '/list': { method: 'GET', handle: () => ({ databases: this.#daemon.summaries().map(listed) }) },
    '/info': { method: 'GET', handle: () => this.#info() },
    '/health': { method: 'GET', handle: () => this.#daemon.health(null) },
    '/debug/sync-status': {
      method: 'GET',
      handle: ({ path }) => ({
        databases: (path === null ? this.#daemon.databases : [this.#find(readPath(path), 404)]).map(diagnosis),
      }),
    },
  }

  constructor(daemon: Daemon, socket: string) {
    this.#daemon = daemon
    this.#socket = socket
  }

  async handle(method: string, url: URL, body: unknown): Promise<unknown> {
    const route = Object.hasOwn(this.#routes, url.pathname) ? this.#routes[url.pathname] : undefined
    if (!route && url.pathname === '/events') {
      throw new ControlError(405, `${url.pathname} does not support the method ${method}`, {
        details: 'Use GET.',
        headers: { Allow: 'GET' },
      })
    }
    if (!route && PROFILE_ROUTES.has(url.pathname)) {
      throw new ControlError(405, `${url.pathname} does not support the method ${method}`, {
        details: 'Use POST.',
        headers: { Allow: 'POST' },
      })
    }
    if (!route) {
      const known = Object.entries(this.#routes).map(([path, { method }]) => `${method} ${path}`)
      known.push('GET /events', ...[...PROFILE_ROUTES.keys()].map((path) => `POST ${path}`))
      throw new ControlError(404, 'not found', { details: `Routes: ${known.join(', ')}.` })
    }
    if (method !== route.method) {
      throw new ControlError(405, `${url.pathname} does not support the method ${method}`, {
        details: `Use ${route.method}.`,
        headers: { Allow: route.method },
      })
    }
    return route.handle({ body, path: url.searchParams.get('path') })
  }

  #find(path: string, status: number): ManagedDatabase {
    const database = this.#daemon.find(expandPath(path))
    if (!database)
      throw new ControlError(status, `database not found: ${path}`, {
        details: 'Run `litestream-ts list` to see the databases of the process.',
        field: 'path',
        value: path,
      })
    return database
  }

  async #start({ path }: Body<'start'>) {
    const database = this.#find(path, 500)
    const running = database.running
    await database.start()
    const { state, error } = database.summary()
    if (state === 'error' && error) throw new ControlError(500, error.message, { details: error.hint })
    return this.#state(running ? 'already_running' : 'started', database)
  }

  async #stop({ path, timeout: seconds }: Body<'stop'>) {
    const database = this.#find(path, 500)
    const running = database.running
    await database.stop(timeoutSignal(seconds * 1000))
    return this.#state(running ? 'stopped' : 'already_stopped', database)
  }

  #state(status: string, database: ManagedDatabase) {
    const { path, state, lastTxid: txid } = database
    return { status, ...named(path), state, txid, socket: this.#socket }
  }

  async #sync({ path, wait, timeout: seconds }: Body<'sync'>) {
    const database = this.#find(path, 404)
    if (!database.replicator)
      throw new ControlError(409, `database is not open: ${path}`, { details: `Run \`litestream-ts start ${path}\`.` })
    const started = elapsedMs()
    const before = database.summary()
    let result: Awaited<ReturnType<ManagedDatabase['sync']>>
    try {
      result = await database.sync({ wait, timeout: seconds * 1000 })
    } catch (error) {
      if (isLitestreamError(error, 'NOT_FOUND'))
        throw new ControlError(409, error.message, { details: 'Create the database, or wait until it exists.' })
      throw error
    }
    const { txid, replicaTxid } = result
    const nothing = txid === before.txid && replicaTxid === before.replicaTxid
    return {
      status: nothing ? 'no_change' : wait ? 'synced' : 'synced_local',
      ...named(database.path),
      txid,
      ...(replicaTxid === undefined ? {} : { replica_txid: replicaTxid, replicated_txid: replicaTxid }),
      duration_ms: Math.round(elapsedMs() - started),
    }
  }

  async #acknowledge({ path, timeout: seconds }: Body<'acknowledge'>) {
    const database = this.#find(path, 404)
    if (!database.replicator)
      throw new ControlError(409, `database is not open: ${path}`, { details: `Run \`litestream-ts start ${path}\`.` })
    const acknowledged = await database.acknowledge({ timeout: seconds * 1000 })
    return {
      status: acknowledged.length > 0 ? 'acknowledged' : 'nothing_to_acknowledge',
      db_path: database.path,
      divergences: acknowledged.map(divergenceJson),
    }
  }

  async #register({ path, replica_url }: Body<'register'>) {
    const [config] = configFromArguments(path, replica_url).databases
    refuseNoDatabase(config!.path)
    const added = await this.#daemon.add(config!, { throws: (error) => !mayPass(error) })
    const database = this.#daemon.get(config!.path)
    const status = added ? 'registered' : 'already_registered'
    return { status, ...named(database.path), replica: database.summary().replica, socket: this.#socket }
  }

  async #unregister({ path, timeout: seconds }: Body<'unregister'>) {
    const file = expandPath(path)
    const last = await this.#daemon.remove(file, timeoutSignal(seconds * 1000))
    const txid = last ?? 0
    return {
      status: last === undefined ? 'already_unregistered' : 'unregistered',
      ...named(file),
      final_txid: txid,
      txid,
      socket: this.#socket,
    }
  }

  #info() {
    const { startedAt, databases } = this.#daemon
    return {
      version,
      pid: process.pid,
      uptime_seconds: Math.floor(process.uptime()),
      started_at: new Date(startedAt).toISOString(),
      database_count: databases.length,
    }
  }
}

/**
 * Returns the path of a database under two names: `path`, as in Litestream's socket, and `db_path`,
 * as in the JSON output of Litestream's commands.
 */
function named(path: string) {
  return { path, db_path: path }
}

function listed(summary: ReturnType<ManagedDatabase['summary']>) {
  const { path, state, txid, lastSyncAt } = summary
  return {
    path,
    status: state,
    // TXID 0 means that the database file does not exist yet, so no sync has happened.
    ...(lastSyncAt === undefined || txid === 0 ? {} : { last_sync_at: new Date(lastSyncAt).toISOString() }),
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

/**
 * Throws ControlError 400 if the path exists and is not a regular file, or if the path cannot be
 * read.
 */
function refuseNoDatabase(file: string): void {
  const refused = (message: string, details: string) =>
    new ControlError(400, message, { details, field: 'path', value: file })
  let isFile: boolean
  try {
    isFile = statSync(file).isFile()
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return
    const { message, hint } = fsError(error, 'reading', file)
    throw refused(message, hint)
  }
  if (!isFile) throw refused(`${file} is not a regular file`, 'Give the path of a database file.')
}
