import PQueue from 'p-queue'
import {
  type CompactionScheduler,
  type CompactionSettings,
  DEFAULT_COMPACTION_SETTINGS,
} from '../compaction/scheduler.js'
import { isLitestreamError, LitestreamError } from '../errors.js'
import type { ReplicaClient } from '../storage/replica-client.js'
import { Backoff } from './backoff.js'
import { compactionOf } from './compaction-of.js'
import { databaseError } from './database-error.js'
import { DEFAULT_LEASE_TTL } from './lease.js'
import { LeaseKeeper } from './lease-keeper.js'
import { PrimaryDatabase, type PrimaryStatus } from './primary-database.js'
import type { CheckpointMode, PrimaryEvents, PrimaryObserver } from './primary-events.js'
import { DEFAULT_PRIMARY_OPTIONS, type PrimaryOptions } from './primary-options.js'
import { Uploader } from './uploader.js'

/** All that is said about one replication; the defaults are Litestream's. */
export interface ReplicatorOptions extends PrimaryOptions {
  /** Between two looks at the WAL, milliseconds. */
  readonly monitorInterval: number
  /** At least between two uploads, milliseconds. */
  readonly syncInterval: number
  /** Files of level 0 in one upload; 0: all there are. */
  readonly maxSyncLtxFiles: number
  /** How long `close` tries to bring the last commits to the replica, milliseconds; 0: one try. */
  readonly shutdownSyncTimeout: number
  /** Between two of these tries, milliseconds. */
  readonly shutdownSyncInterval: number
  /** Write only while the lease in the replica is ours, and wait for it otherwise. */
  readonly lease: boolean
  /** How long a lease lasts that its owner does not renew, milliseconds. */
  readonly leaseTtl: number
  /** Levels, snapshots and retention; false: files of level 0 are all that is written, and nothing is deleted. */
  readonly compaction: CompactionSettings | false
}

export const DEFAULT_REPLICATOR_OPTIONS: Omit<ReplicatorOptions, 'metaPath'> = Object.freeze({
  ...DEFAULT_PRIMARY_OPTIONS,
  monitorInterval: 1000,
  syncInterval: 1000,
  maxSyncLtxFiles: 256,
  shutdownSyncTimeout: 30_000,
  shutdownSyncInterval: 500,
  lease: false,
  leaseTtl: DEFAULT_LEASE_TTL,
  compaction: DEFAULT_COMPACTION_SETTINGS,
})

/** How long the first sync waits for a store that does not answer, milliseconds. */
const ALIGN_MS = 10_000

export interface SyncOptions {
  /** Resolve only once everything committed before the call is in the replica. */
  readonly wait?: boolean
}

export interface SyncResult {
  /** The last file made of the WAL. */
  readonly txid: number
  /** The last file in the replica; undefined while it was not reached yet. */
  readonly replicaTxid: number | undefined
}

export interface ReplicatorStatus extends PrimaryStatus {
  readonly replica: string
  /**
   * `waiting`: there is no database yet; `standby`: another primary has the lease; `fenced`: another primary writes to the
   * replica, nothing is done any more.
   */
  readonly state: 'waiting' | 'standby' | 'replicating' | 'fenced' | 'closed'
  readonly replicaTxid: number | undefined
  /** When the replica last had everything, milliseconds since the epoch. */
  readonly lastSyncAt: number | undefined
}

/** Keeps one database replicated: looks at the WAL at intervals, stages and uploads, retries, and stops when it is fenced. */
export class Replicator {
  readonly path: string
  readonly client: ReplicaClient
  readonly #options: ReplicatorOptions
  readonly #observe: PrimaryObserver
  /** One at a time, or a second upload would meet its own file and look like another primary. */
  readonly #uploads = new PQueue({ concurrency: 1 })
  readonly #monitorErrors: Backoff
  readonly #uploadErrors: Backoff
  #primary: PrimaryDatabase | undefined
  #opening: Promise<PrimaryDatabase> | undefined
  #uploader: Uploader | undefined
  #lease: LeaseKeeper | undefined
  #compaction: CompactionScheduler | undefined
  #monitorTimer: NodeJS.Timeout | undefined
  #uploadTimer: NodeJS.Timeout | undefined
  #lastUploadAt = 0
  #lastSyncAt: number | undefined
  #fenced: LitestreamError | undefined
  #closed = false
  #running = false

  constructor(path: string, client: ReplicaClient, options: Partial<ReplicatorOptions>, observe: PrimaryObserver) {
    this.path = path
    this.client = client
    this.#options = { ...DEFAULT_REPLICATOR_OPTIONS, ...options }
    this.#observe = (name, event) => {
      if (name === 'upload') this.#compaction?.noteUpload((event as PrimaryEvents['upload']).txid)
      observe(name, event)
    }
    this.#monitorErrors = new Backoff(path, 'sync', this.#options.monitorInterval, observe)
    this.#uploadErrors = new Backoff(path, 'upload', this.#options.syncInterval, observe)
    if (this.#options.lease) this.#lease = this.#makeLease()
  }

  #makeLease(): LeaseKeeper {
    const errors = new Backoff(this.path, 'lease', this.#options.leaseTtl / 6, this.#observe)
    return new LeaseKeeper(
      this.client,
      { ttl: this.#options.leaseTtl },
      {
        held: () => {
          errors.worked()
          if (!this.#monitorTimer) this.#scheduleMonitor(0)
        },
        lost: (error) => void this.#stopFenced(error),
        failed: (error) => errors.failed(error),
      },
    )
  }

  /** The database, once it was opened; compaction and snapshots start from it. */
  get primary(): PrimaryDatabase | undefined {
    return this.#primary
  }

  /** Levels, snapshots and retention of the replica; undefined before the first upload, or when it is switched off. */
  get compaction(): CompactionScheduler | undefined {
    return this.#compaction
  }

  /** Begins to work by itself. A database that is not there yet is waited for. */
  start(): void {
    this.#running = true
    if (this.#lease) this.#lease.start()
    else this.#scheduleMonitor(0)
  }

  status(): ReplicatorStatus {
    const working = this.#primary ? 'replicating' : this.#lease && !this.#lease.held ? 'standby' : 'waiting'
    const state = this.#fenced ? 'fenced' : this.#closed ? 'closed' : working
    const none = { db: this.path, txid: 0, pageSize: 0, commit: 0, walFrames: 0, walBackfilled: 0, snapshots: {} }
    return {
      ...(this.#primary?.status() ?? none),
      replica: this.client.url,
      state,
      replicaTxid: this.#uploader?.txid,
      lastSyncAt: this.#lastSyncAt,
    }
  }

  /** Syncs now. Throws what stands in the way; the work in the background goes on. */
  async sync({ wait = false }: SyncOptions = {}): Promise<SyncResult> {
    this.#throwIfStopped()
    const primary = await this.#open()
    await primary.sync()
    if (wait) await this.#upload()
    else this.#scheduleUpload()
    return { txid: primary.txid, replicaTxid: this.#uploader?.txid }
  }

  async checkpoint(mode: CheckpointMode = 'PASSIVE'): Promise<PrimaryEvents['checkpoint']> {
    this.#throwIfStopped()
    return (await this.#open()).checkpoint(mode)
  }

  /**
   * Syncs a last time, brings everything to the replica and lets go of the database. Throws, after it has let go, when that could
   * not be done. An aborted `signal` ends the attempts.
   */
  async close(signal?: AbortSignal): Promise<void> {
    if (this.#closed) return
    this.#stopTimers()
    try {
      if (!this.#fenced) await this.#finalSync(signal)
    } finally {
      await this.abandon()
    }
  }

  /** Lets go of the database and the replica as they are. */
  async abandon(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#stopTimers()
    await this.#compaction?.stop()
    await this.#uploads.onIdle()
    await this.#primary?.close()
    try {
      await this.#uploader?.close()
      await this.#lease?.stop()
    } catch (error) {
      // What says that we write here is left behind: it ends by itself, or is overwritten.
      this.#uploadErrors.gaveUp(asError(error, this.path))
    }
    await this.client.close()
  }

  #stopTimers(): void {
    this.#running = false
    clearTimeout(this.#monitorTimer)
    clearTimeout(this.#uploadTimer)
  }

  async #finalSync(signal?: AbortSignal): Promise<void> {
    const deadline = performance.now() + this.#options.shutdownSyncTimeout
    for (;;) {
      try {
        const primary = await this.#open()
        await primary.sync({ checkpoint: false })
        await this.#upload()
        return
      } catch (error) {
        if (isLitestreamError(error, 'NOT_FOUND', 'DATABASE_REPLACED')) {
          // It was deleted: what was committed before is staged.
          await this.#upload()
          return
        }
        if (this.#fenced || signal?.aborted || performance.now() >= deadline) throw error
        this.#uploadErrors.failed(asError(error, this.path))
      }
      await pause(this.#options.shutdownSyncInterval, signal)
    }
  }

  #throwIfStopped(): void {
    if (this.#fenced) throw this.#fenced
    if (this.#closed) {
      throw new LitestreamError('INVALID_ARGUMENT', `${this.path}: replication is closed`, { file: this.path })
    }
  }

  /** Opens the database when it is needed first; callers at the same time share the attempt. */
  async #open(): Promise<PrimaryDatabase> {
    await this.#lease?.ensure()
    if (this.#primary) return this.#primary
    this.#opening ??= this.#openAndAlign()
    try {
      this.#primary = await this.#opening
    } finally {
      this.#opening = undefined
    }
    return this.#primary
  }

  async #openAndAlign(): Promise<PrimaryDatabase> {
    const primary = await PrimaryDatabase.open(this.path, this.#options, this.#observe)
    const uploader = new Uploader(primary, this.client, this.#observe)
    this.#uploader = uploader
    if (primary.snapshotReason !== undefined) {
      // Which TXID a snapshot gets depends on the replica. A store that does not answer is not waited for: commits are staged,
      // and the snapshot made again if the replica turns out to be farther.
      const enough = new AbortController()
      const aligned = this.#uploads.add(() => uploader.align()).catch(ignoredHere)
      await Promise.race([aligned, pause(ALIGN_MS, enough.signal)])
      enough.abort()
    }
    return primary
  }

  // ---- in the background

  #scheduleMonitor(ms: number): void {
    if (!this.#running) return
    this.#monitorTimer = setTimeout(() => void this.#monitor(), ms)
  }

  async #monitor(): Promise<void> {
    let next = this.#options.monitorInterval
    try {
      const primary = await this.#open()
      await primary.sync()
      this.#monitorErrors.worked()
    } catch (error) {
      // No database yet is a state to wait in, as long as it lasts.
      if (!isLitestreamError(error, 'NOT_FOUND')) next = this.#monitorErrors.failed(asError(error, this.path))
    }
    // Also after an error: what was staged before it is not held back.
    this.#scheduleUpload()
    this.#scheduleMonitor(next)
  }

  /** Sees to it that an upload runs soon, if there is anything to upload. */
  #scheduleUpload(ms?: number): void {
    if (!this.#running || this.#uploadTimer) return
    const nothing = this.#uploader?.txid !== undefined && this.#uploader.txid === this.#primary?.txid
    if (nothing) {
      this.#lastSyncAt = Date.now()
      return
    }
    const due = ms ?? Math.max(0, this.#lastUploadAt + this.#options.syncInterval - Date.now())
    this.#uploadTimer = setTimeout(() => void this.#uploadSoon(), due)
  }

  async #uploadSoon(): Promise<void> {
    let next: number | undefined
    try {
      await this.#upload()
    } catch (error) {
      next = this.#fenced ? undefined : this.#uploadErrors.failed(asError(error, this.path))
    }
    this.#uploadTimer = undefined
    if (next !== undefined) this.#scheduleUpload(next)
  }

  /** Uploads all there is, in batches so that others may have their turn. */
  async #upload(): Promise<void> {
    for (let all = false; !all; ) {
      all = (await this.#uploads.add(() => this.#uploadBatch())) as boolean
    }
    this.#uploadErrors.worked()
    this.#lastSyncAt = Date.now()
    this.#startCompaction()
  }

  /** Once the replica has everything for the first time. */
  #startCompaction(): void {
    const { compaction } = this.#options
    if (this.#compaction || !this.#running || !compaction || !this.#primary) return
    this.#compaction = compactionOf(this.#primary, this.client, compaction, this.#observe)
    this.#compaction.start()
  }

  async #uploadBatch(): Promise<boolean> {
    if (this.#fenced) throw this.#fenced
    if (!this.#uploader) return true
    this.#lastUploadAt = Date.now()
    try {
      await this.#lease?.ensure()
      return await this.#uploader.run(this.#options.maxSyncLtxFiles || undefined)
    } catch (error) {
      if (isLitestreamError(error, 'REPLICA_FENCED')) await this.#stopFenced(error)
      throw error
    }
  }

  /** Another primary has the replica: nothing is read, written or checkpointed any more. */
  async #stopFenced(error: LitestreamError): Promise<void> {
    this.#fenced = error
    this.#running = false
    clearTimeout(this.#monitorTimer)
    clearTimeout(this.#uploadTimer)
    this.#uploadErrors.gaveUp(error)
    await this.#compaction?.stop()
    await this.#primary?.close()
  }
}

/** The upload that follows meets the same error and reports it. */
function ignoredHere(): void {}

function asError(error: unknown, path: string): LitestreamError {
  return isLitestreamError(error) ? error : databaseError(error, path, 'replicating it')
}

/** Ends at once when `signal` is aborted. */
function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms)
    const abort = () => {
      clearTimeout(timer)
      resolve()
    }
    signal?.addEventListener('abort', abort, { once: true })
  })
}
