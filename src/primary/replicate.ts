import { EventEmitter } from 'node:events'
import { existsSync, realpathSync } from 'node:fs'
import { resolve } from 'node:path'
import { Worker } from 'node:worker_threads'
import { deserializeError, LitestreamError } from '../errors.js'
import type { OpenReplicaClientOptions } from '../storage/open.js'
import { parseReplicaUrl } from '../storage/url.js'
import { threadUrl } from '../thread-url.js'
import type { CheckpointMode, PrimaryEvents } from './events.js'
import type { ReplicatorOptions } from './options.js'
import { type PrimaryCalls, type PrimaryWorkerData, READY, type WorkerMessage } from './protocol.js'
import type { ReplicatorStatus, SyncOptions, SyncResult } from './replicator-status.js'
import { isOpenElsewhere, sharedDatabase } from './source/sqlite-copies.js'

export interface ReplicateOptions extends Partial<ReplicatorOptions> {
  /** Settings of the store; they go to a worker thread and have to be plain data. */
  readonly storage?: OpenReplicaClientOptions
}

type EventMap = { [Name in keyof PrimaryEvents]: [PrimaryEvents[Name]] }

interface Waiting {
  resolve(value: unknown): void
  reject(error: Error): void
}

/**
 * A running replication. It emits the events of PrimaryEvents; `error` only to those who listen, as it goes on by itself. It does
 * not keep the process alive: close it, so that the last commits reach the replica before the process ends.
 */
export class Replication extends EventEmitter<EventMap> {
  readonly #worker: Worker
  readonly #waiting = new Map<number, Waiting>()
  #nextId = 1
  #exited: LitestreamError | undefined
  #closing: Promise<void> | undefined

  /** Resolves once the worker runs and the replica is open. */
  readonly ready: Promise<unknown>

  /** Use replicate(). */
  constructor(data: PrimaryWorkerData) {
    super()
    this.ready = new Promise((resolve, reject) => this.#waiting.set(READY, { resolve, reject }))
    this.#worker = new Worker(threadUrl('primary/worker.js'), { workerData: data })
    this.#worker.on('message', (message: WorkerMessage) => this.#receive(message))
    this.#worker.on('error', (error) => this.#fail(`failed: ${error.message}`, error))
    this.#worker.on('exit', (code) => this.#fail(`ended with exit code ${code}`))
  }

  /** Replicates what is committed now. With `wait` it resolves once the last commit before the call is in the replica. */
  sync(options: SyncOptions = {}): Promise<SyncResult> {
    return this.#call('sync', options) as Promise<SyncResult>
  }

  checkpoint(mode: CheckpointMode = 'PASSIVE'): Promise<PrimaryEvents['checkpoint']> {
    return this.#call('checkpoint', mode) as Promise<PrimaryEvents['checkpoint']>
  }

  status(): Promise<ReplicatorStatus> {
    return this.#call('status', undefined) as Promise<ReplicatorStatus>
  }

  /** Syncs a last time, waits for the upload and ends the worker. Rejects, the worker being ended, when that failed. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    try {
      await this.#call('close', undefined)
    } finally {
      await this.#worker.terminate()
    }
  }

  #call(call: keyof PrimaryCalls, argument: unknown): Promise<unknown> {
    if (this.#exited) return Promise.reject(this.#exited)
    const id = this.#nextId++
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject })
      // Whoever waits for an answer keeps the process alive until it comes.
      this.#worker.ref()
      this.#worker.postMessage({ id, call, argument })
    })
  }

  #receive(message: WorkerMessage): void {
    if (message.kind === 'event') {
      this.#emitEvent(message)
      return
    }
    const waiting = this.#waiting.get(message.id)
    this.#waiting.delete(message.id)
    if (message.kind === 'result') waiting?.resolve(message.value)
    else waiting?.reject(deserializeError(message.error))
    if (this.#waiting.size === 0) this.#worker.unref()
  }

  #emitEvent({ name, event, error }: Extract<WorkerMessage, { kind: 'event' }>): void {
    if (error === undefined) this.emit(name, event as never)
    else if (this.listenerCount(name) > 0)
      this.emit(name, { ...(event as object), error: deserializeError(error) } as never)
  }

  #fail(what: string, cause?: unknown): void {
    this.#exited ??= new LitestreamError('WORKER_EXITED', `the worker thread of the replication ${what}`, {
      ...(cause === undefined ? {} : { cause }),
      hint: 'Nothing committed is lost; call replicate() again.',
    })
    for (const { reject } of this.#waiting.values()) reject(this.#exited)
    this.#waiting.clear()
  }
}

/**
 * Keeps the database at `path` replicated to `url` until the handle is closed. All work is done in a worker thread. A database
 * that is not there yet is waited for. Throws INVALID_URL, DATABASE_SHARED and what opening the store throws.
 *
 * The application may use the database in this process through better-sqlite3. Through another copy of SQLite (`node:sqlite`) it
 * may not, as two copies in one process break each other's locks: replicate from a process of its own then. On Linux this is
 * noticed, also when it happens later: replication ends with DATABASE_SHARED.
 *
 * @example
 * const replication = await replicate('app.db', 's3://bucket/app')
 * await replication.sync({ wait: true })
 * await replication.close()
 */
export async function replicate(path: string, url: string, options: ReplicateOptions = {}): Promise<Replication> {
  const { storage, ...rest } = options
  parseReplicaUrl(url)
  const file = resolve(path)
  if (existsSync(file) && isOpenElsewhere(realpathSync(file))) throw sharedDatabase(file)
  const replication = new Replication({ path: file, url, storage, options: rest })
  await replication.ready
  return replication
}
