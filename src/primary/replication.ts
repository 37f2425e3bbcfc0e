import { EventEmitter } from 'node:events'
import { Worker } from 'node:worker_threads'
import { deserializeError, LitestreamError } from '../errors.js'
import type { Divergence } from '../levels/divergence-record.js'
import { threadUrl } from '../thread-url.js'
import { orAborted } from '../util/or-aborted.js'
import { startTimer, type Timer } from '../util/timers.js'
import { type WaitOptions, withDeadline } from '../util/wait.js'
import { Backoff } from './backoff.js'
import type { CheckpointMode, PrimaryEvents } from './events.js'
import { ProcessWarnings } from './process-warnings.js'
import { type PrimaryCalls, type PrimaryWorkerData, READY, type WorkerMessage } from './protocol.js'
import type { ReplicatorStatus, SyncOptions, SyncResult } from './replicator-status.js'

type EventMap = { [Name in keyof PrimaryEvents]: [PrimaryEvents[Name]] }

interface Waiting {
  resolve(value: unknown): void
  reject(error: Error): void
}

/**
 * Time in milliseconds until a worker that ended is restarted for the first time. The time doubles
 * at each restart.
 */
const RESTART_MS = 500
/**
 * Maximum time for which an aborted close() waits until the worker has released the database, in
 * milliseconds.
 */
const RELEASE_MS = 5_000

/**
 * A running replication. A Replication emits the events of PrimaryEvents. The event `error` is
 * emitted only if the program listens to `error`, because the replication continues after an error.
 * If the program does not listen to `error`, a database that is not backed up causes a process
 * warning (ProcessWarnings). A running replication does not keep the process alive. Call `close()`
 * before the process ends, so that the last commits are uploaded.
 */
export class Replication extends EventEmitter<EventMap> {
  readonly #data: PrimaryWorkerData
  readonly #script: URL
  readonly #waiting = new Map<number, Waiting>()
  readonly #restarts: Backoff
  readonly #warnings = new ProcessWarnings()
  #worker!: Worker
  #nextId = 1
  /** The reason why no worker is running, or undefined if a worker is running. */
  #exited: LitestreamError | undefined
  #restart: Timer | undefined
  #opened = false
  #closing: Promise<void> | undefined

  /** Resolves when the worker is running and the replica is open. */
  readonly ready: Promise<unknown>

  /** Programs call replicate() instead. `script` is the URL of the module that the worker runs. */
  constructor(data: PrimaryWorkerData, script: URL = threadUrl('primary/worker.js')) {
    super()
    this.#data = data
    this.#script = script
    this.#restarts = new Backoff(data.path, 'worker', RESTART_MS, (name, event) => this.#emitEvent(name, event))
    this.ready = this.#spawn().then(() => {
      this.#opened = true
    })
  }

  /**
   * Writes every commit made before the call to L0 files. With `wait`, `sync` resolves only when
   * the replica has every commit made before the call. A signal or `timeout` (milliseconds,
   * TIMEOUT) ends the wait, but the upload continues in the background.
   */
  sync({ wait = false, ...waiting }: SyncOptions = {}): Promise<SyncResult> {
    return this.#call('sync', { wait }, waiting) as Promise<SyncResult>
  }

  /**
   * Runs a checkpoint of the database. A `PASSIVE` checkpoint waits for no connection. A `TRUNCATE`
   * checkpoint waits for readers and empties the -wal.
   */
  checkpoint(mode: CheckpointMode = 'PASSIVE', waiting: WaitOptions = {}): Promise<PrimaryEvents['checkpoint']> {
    return this.#call('checkpoint', mode, waiting) as Promise<PrimaryEvents['checkpoint']>
  }

  /** The current state of the replication. */
  status(waiting: WaitOptions = {}): Promise<ReplicatorStatus> {
    return this.#call('status', undefined, waiting) as Promise<ReplicatorStatus>
  }

  /**
   * Records in the replica that a user knows that the database diverged from the replica (event
   * `divergence`). Returns the divergences that were not acknowledged before. If `onDivergence` is
   * `'refuse'`, the replication uploads the database after this call.
   */
  acknowledge(waiting: WaitOptions = {}): Promise<readonly Divergence[]> {
    return this.#call('acknowledge', undefined, waiting) as Promise<readonly Divergence[]>
  }

  /**
   * Syncs the database a last time, waits for the upload and ends the worker. If the last sync
   * fails, `close` rejects after the worker has ended. `close` takes at most `shutdownSyncTimeout`
   * plus a few seconds. A signal or `timeout` (milliseconds, TIMEOUT) ends `close` earlier.
   */
  close(waiting: WaitOptions = {}): Promise<void> {
    this.#closing ??= this.#close(waiting)
    return this.#closing
  }

  /** @internal Ends the worker without a last sync. Called if the replica could not be opened. */
  async terminate(): Promise<void> {
    this.#closing ??= Promise.resolve()
    await this.#worker.terminate()
  }

  async #close(waiting: WaitOptions): Promise<void> {
    this.#restart?.stop()
    try {
      await withDeadline(`closing the replication of ${this.#data.path}`, waiting, async (signal) => {
        const closed = this.#call('close', undefined, {})
        try {
          await orAborted(closed, signal)
        } catch (error) {
          if (signal?.aborted) await this.#release(closed)
          throw error
        }
      })
    } finally {
      await this.#worker.terminate()
    }
  }

  /**
   * Asks the worker to cancel its requests and to release the database before the worker is
   * terminated.
   */
  async #release(closed: Promise<unknown>): Promise<void> {
    this.#worker.postMessage({ id: this.#nextId++, call: 'abort', argument: undefined })
    await withDeadline('releasing the database', { timeout: RELEASE_MS }, () => closed, { abandon: true }).catch(
      () => undefined, // an error of the release is ignored, because close() rejects with its own error
    )
  }

  #spawn(): Promise<unknown> {
    const ready = new Promise((resolve, reject) => this.#waiting.set(READY, { resolve, reject }))
    const worker = new Worker(this.#script, { workerData: this.#data })
    let cause: Error | undefined
    worker.on('message', (message: WorkerMessage) => this.#receive(message))
    worker.on('error', (error) => {
      cause = error
    })
    worker.on('exit', (code) => this.#ended(cause ? `failed: ${cause.message}` : `ended with exit code ${code}`, cause))
    this.#worker = worker
    this.#exited = undefined
    return ready
  }

  async #call(call: keyof PrimaryCalls, argument: unknown, waiting: WaitOptions): Promise<unknown> {
    if (this.#exited) throw this.#exited
    waiting.signal?.throwIfAborted()
    const id = this.#nextId++
    const answer = new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject })
      // A worker with a pending call keeps the process alive.
      this.#worker.ref()
      this.#worker.postMessage({ id, call, argument })
    })
    const what = `${call} of ${this.#data.path}`
    try {
      return await withDeadline(what, waiting, () => answer, { abandon: true })
    } finally {
      this.#settled(id)
    }
  }

  #settled(id: number): void {
    this.#waiting.delete(id)
    if (this.#waiting.size === 0) this.#worker.unref()
  }

  #receive(message: WorkerMessage): void {
    if (message.kind === 'event') {
      const { name, event, error } = message
      const full = error === undefined ? event : { ...(event as object), error: deserializeError(error) }
      this.#emitEvent(name, full as never)
      return
    }
    const waiting = this.#waiting.get(message.id)
    this.#settled(message.id)
    if (message.kind === 'result') waiting?.resolve(message.value)
    else waiting?.reject(deserializeError(message.error))
  }

  #emitEvent<Name extends keyof PrimaryEvents>(name: Name, event: PrimaryEvents[Name]): void {
    // An EventEmitter throws if `error` has no listener, but the replication must continue after an
    // error.
    if (name !== 'error' || this.listenerCount('error') > 0) this.emit(name as keyof EventMap, event as never)
    this.#warnings.observe(name, event, this.listenerCount('error') + this.listenerCount(name) > 0)
  }

  /**
   * Must be called when the worker has ended. `#ended` rejects all calls that wait for the worker,
   * and starts another worker.
   */
  #ended(what: string, cause: Error | undefined): void {
    const restarts = this.#opened && this.#closing === undefined
    const error = new LitestreamError('WORKER_EXITED', `the worker thread of the replication ${what}`, {
      file: this.#data.path,
      ...(cause === undefined ? {} : { cause }),
      hint: restarts
        ? 'Repeat the call after a second: a new worker thread starts automatically. No committed transaction is lost.'
        : 'Call replicate() again. No committed transaction is lost.',
    })
    this.#exited = error
    for (const { reject } of this.#waiting.values()) reject(error)
    this.#waiting.clear()
    if (restarts) this.#restart = startTimer(this.#restarts.failed(error), () => this.#respawn()).unref()
  }

  async #respawn(): Promise<void> {
    try {
      await this.#spawn()
      this.#restarts.worked()
    } catch (error) {
      // A worker that could not open the replica must be terminated, because the next worker starts
      // when the worker ends.
      if (this.#exited === undefined) await this.#worker.terminate()
      else if (!(error instanceof LitestreamError)) throw error
    }
  }
}
