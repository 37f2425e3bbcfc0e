import type { ErrorCode } from '../errors.js'
import type { PrimaryEvents } from '../primary/events.js'
import type { Operation } from '../storage/replica-client.js'
import type { ActivitySample } from './activity-history.js'
import type { EventStreams } from './event-streams.js'
import type { MonthlyRequests } from './request-cost.js'

/**
 * The data of the status page; TXIDs are numbers, times and durations milliseconds, sizes bytes.
 */
export interface StatusDocument {
  readonly version: string
  readonly startedAt: number
  readonly now: number
  /** The overall verdict, as /healthz returns it without `max-lag`. */
  readonly health: Health['status']
  readonly databases: readonly DatabaseStatus[]
  readonly replicas: readonly ReplicaStatus[]
  /** Parts other than databases that are failing. */
  readonly parts: readonly PartFault[]
}

/**
 * `open`: waits for the database file to appear; `error`: the replica or the database cannot be
 * opened, which is retried unless its error says otherwise; `standby`: another primary holds the
 * lease; `fenced`: another primary writes to the replica.
 */
export type DatabaseState = 'replicating' | 'open' | 'error' | 'standby' | 'stopped' | 'fenced'

/** The current fault of one database. */
export interface DatabaseFault {
  readonly operation: 'open' | 'proof' | PrimaryEvents['error']['operation']
  readonly message: string
  readonly code: ErrorCode
  readonly hint: string | undefined
  /** Milliseconds since the epoch, for display; ages are measured with `ageMs`. */
  readonly since: number
  readonly ageMs: number
  /** False: there is no retry until the process or the database is restarted. */
  readonly retried: boolean
}

/** The kinds of parts of the process other than databases. */
export type PartKind =
  | 'mirror'
  | 'http'
  | 'mcp'
  | 'control socket'
  | 'directory'
  | 'watch'
  | 'file'
  | 'heartbeat'
  | 'process'

/** A part that is failing and is retried. */
export interface PartFault {
  readonly part: PartKind
  /** The address, path or folder of the part. */
  readonly name: string
  /** Whether something is not replicated because of this fault. */
  readonly replication: boolean
  readonly message: string
  readonly code: ErrorCode
  readonly hint: string | undefined
  /** Milliseconds since the epoch. */
  readonly since: number
  /** Number of consecutive failures. */
  readonly failures: number
}

/** A database that this process replicates, as far as known without a request to the store. */
export interface DatabaseSummary {
  readonly path: string
  readonly state: DatabaseState
  readonly replicaType: string
  /** URL without credentials. */
  readonly replica: string
  readonly txid: number
  readonly replicaTxid: number | undefined
  /** When the replica last had every commit, in ms since the epoch. */
  readonly lastSyncAt: number | undefined
  /** Age of the oldest commit that is not in the replica, in milliseconds. */
  readonly lagMs: number
  /** In bytes; 0 while the file does not exist. */
  readonly databaseSize: number
  readonly walSize: number
  /**
   * How long the database file has been missing, in milliseconds; undefined while it exists
   * or may be missing.
   */
  readonly missingMs: number | undefined
  /**
   * Time since the replica was last known to have everything, milliseconds; undefined where nothing
   * is replicated.
   */
  readonly behindMs: number | undefined
  /**
   * The database does not continue what the replica held, and no user has acknowledged it: as a
   * sentence, and the next step.
   */
  readonly divergence: string | undefined
  readonly divergenceHint: string | undefined
  /** Transactions that the primary has written to the database itself since it was opened. */
  readonly ownWrites: number
  readonly error: DatabaseFault | undefined
  /**
   * Why a second primary is detected only after it has written: the store has no conditional
   * writes. Undefined where it has.
   */
  readonly weakFencing: string | undefined
  readonly mirrors: readonly MirrorStatus[]
  /** The last scheduled restore that succeeded (`validation.restore-interval`). */
  readonly proof: ProofStatus | undefined
}

/** A different error of the recent past. */
export interface RecentError {
  readonly operation: DatabaseFault['operation']
  readonly code: ErrorCode
  readonly message: string
  readonly hint: string
  /** Milliseconds since the epoch. */
  readonly firstAt: number
  readonly lastAt: number
  readonly count: number
}

/** Counts of written and uploaded files since the process started. */
export interface ActivityStatus {
  /** L0 files made from the WAL, and bytes of WAL that were read for them. */
  readonly syncs: number
  readonly walBytes: number
  readonly uploads: number
  readonly uploadedBytes: number
  /** Durations of the last 100 uploads in milliseconds; undefined before the first. */
  readonly uploadMs: { readonly p50: number | undefined; readonly p95: number | undefined }
  readonly lastUpload: { readonly txid: number; readonly at: number } | undefined
}

/** Requests to the store since the replica was opened. */
export interface RequestStatus {
  readonly counts: Readonly<Record<Operation, number>>
  readonly sinceMs: number
  /** The rate of the last half hour in 30 days; undefined in the first minute. */
  readonly month: MonthlyRequests | undefined
}

/** A state of the replica that can be restored. */
export interface RestorableState {
  readonly txid: number
  /** Milliseconds since the epoch. */
  readonly timestamp: number
}

/** The snapshots of a replica. */
export interface SnapshotStatus {
  readonly last: { readonly txid: number; readonly at: number; readonly bytes: number } | undefined
  /** When the next one is due; it is written if anything was committed. Undefined if none is. */
  readonly nextAt: number | undefined
}

/** A restore to a scratch file that proved the replica. */
export interface ProofStatus {
  readonly txid: number
  /** Milliseconds since the epoch. */
  readonly at: number
  readonly durationMs: number
  /** Whether every page was compared with the primary's at this TXID. */
  readonly compared: boolean
}

/** A mirror of the replica in another store, see docs/mirror.md. */
export interface MirrorStatus {
  /** URL without credentials. */
  readonly url: string
  /** The newest TXID to which it can be restored; undefined before the first pass. */
  readonly txid: number | undefined
  /** How long it has been behind the replica, in milliseconds; 0 if it is up to date. */
  readonly lagMs: number
}

/** DatabaseSummary with the levels of the replica and the recent lag. */
export interface DatabaseStatus extends DatabaseSummary {
  readonly ok: boolean
  /** Why the database is not ok. */
  readonly reason: string | undefined
  /** The next step for `reason` or the error. */
  readonly hint: string | undefined
  /** The state for display, in one or two words; names the fault if there is one. */
  readonly label: string
  /** `[time, lag]`; empty unless details were requested. */
  readonly lagHistory: readonly (readonly [number, number])[]
  /**
   * `[time, lag, uploads, bytes, upload time]`, the last three since the sample before; empty unless
   * details were requested.
   */
  readonly samples: readonly ActivitySample[]
  readonly activity: ActivityStatus
  /** Undefined while the replica is not open. */
  readonly requests: RequestStatus | undefined
  /** Undefined where nothing can be restored, and while the replica cannot be listed. */
  readonly restorable: { readonly from: RestorableState; readonly to: RestorableState } | undefined
  /** A command line that restores the newest state to another file. */
  readonly restoreCommand: string
  readonly snapshots: SnapshotStatus
  /** Interval of scheduled restores in milliseconds; undefined: none. */
  readonly proofInterval: number | undefined
  /** Newest first. */
  readonly recentErrors: readonly RecentError[]
  readonly levels: readonly {
    readonly level: number
    readonly files: number
    readonly bytes: number
    /** The lowest and the highest TXID, and the times of the oldest and the newest file; 0 for none. */
    readonly minTxid: number
    readonly maxTxid: number
    readonly oldest: number
    readonly latest: number
    /** `[min TXID, max TXID, bytes, time]` of the newest files, oldest first; as `samples`. */
    readonly newest: readonly (readonly [number, number, number, number])[]
  }[]
  /** Why the replica could not be listed. */
  readonly levelsError: string | undefined
}

/** A replica that this process reads. */
export interface ReplicaStatus {
  readonly url: string
  readonly ok: boolean
  readonly txid: number
  /** When the primary wrote that state. */
  readonly timestamp: number
  readonly lagMs: number
  readonly connections: number
  readonly databaseSize: number
  readonly cacheBytes: number
  readonly hits: number
  readonly misses: number
  readonly crossings: number
  /** 0 to 1. */
  readonly hydration: number
  readonly requests: number
  readonly fetchedBytes: number
  readonly pagesWanted: number
  readonly pagesAhead: number
  /** `[time, lag]`. */
  readonly lagHistory: readonly (readonly [number, number])[]
}

/** The data source of an HTTP server. */
export interface StatusSource {
  /** Absent if the process has no events. */
  readonly events?: EventStreams
  readonly metricsType: string
  metrics(): Promise<string>
  /** Throws INVALID_ARGUMENT if `maxLag` is not a duration. */
  health(maxLag: string | null): Health
  /** `details`: paths of the databases whose histories are wanted; undefined: of all. */
  status(details?: readonly string[]): Promise<StatusDocument>
  /** Called when a request could not be answered. */
  onError(url: string, error: Error): void
}

/**
 * `behind`: a replica is behind by more than the limit; `failing`: a database is not replicated for
 * another reason; `degraded`: all are replicated, but a listener or the heartbeat fails.
 */
export interface Health {
  readonly status: 'ok' | 'degraded' | 'behind' | 'failing'
  readonly databases: readonly {
    readonly path: string
    readonly ok: boolean
    readonly state: string
    readonly lag_seconds: number
    /** Why it is not ok. */
    readonly reason?: string
    readonly error?: string
    /**
     * The store has no conditional writes: why a second primary is detected only after it has
     * written.
     */
    readonly weak_fencing?: string
  }[]
  readonly parts?: readonly {
    readonly part: string
    readonly name: string
    /** Whether everything is replicated nevertheless. */
    readonly ok: boolean
    readonly error: string
    readonly error_since: string
  }[]
}
