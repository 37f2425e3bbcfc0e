import type { ErrorCode } from '../errors.js'
import type { PrimaryEvents } from '../primary/events.js'
import type { Operation } from '../storage/replica-client.js'
import type { ActivitySample } from './activity-history.js'
import type { EventStreams } from './event-streams.js'
import type { MonthlyRequests } from './request-cost.js'

/**
 * The data of the status page. TXIDs are numbers, times and durations are in milliseconds, and
 * sizes are in bytes.
 */
export interface StatusDocument {
  readonly version: string
  readonly startedAt: number
  readonly now: number
  /** The overall verdict, equal to that of /healthz without `max-lag`. */
  readonly health: Health['status']
  readonly databases: readonly DatabaseStatus[]
  readonly replicas: readonly ReplicaStatus[]
  /** The failing parts of the process, except databases. */
  readonly parts: readonly PartFault[]
}

/**
 * The state `open` means that the primary waits for the database file to appear. `error` means that
 * the primary cannot open the replica or the database. In the state `error`, the primary retries
 * unless the error says otherwise. `standby` means that another primary holds the lease. `fenced`
 * means that another primary writes to the replica.
 */
export type DatabaseState = 'replicating' | 'open' | 'error' | 'standby' | 'stopped' | 'fenced'

/** The current fault of one database. */
export interface DatabaseFault {
  readonly operation: 'open' | 'proof' | PrimaryEvents['error']['operation']
  readonly message: string
  readonly code: ErrorCode
  readonly hint: string | undefined
  /**
   * Time at which the fault began, in milliseconds since the epoch. `since` serves for display
   * only. `ageMs` is measured with a clock that does not follow the wall clock.
   */
  readonly since: number
  readonly ageMs: number
  /**
   * Whether the process retries the operation; false if the fault stays until a user restarts the
   * process or the database.
   */
  readonly retried: boolean
}

/** The kinds of parts of a process, except databases. */
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

/** A failing part of the process. The process retries the work of a failing part. */
export interface PartFault {
  readonly part: PartKind
  /** Address, path or folder of the failing part. */
  readonly name: string
  /** Whether the fault of the part keeps commits out of a replica. */
  readonly replication: boolean
  readonly message: string
  readonly code: ErrorCode
  readonly hint: string | undefined
  /** Time at which the fault began, in milliseconds since the epoch. */
  readonly since: number
  /** Number of consecutive failures of the part. */
  readonly failures: number
}

/**
 * The status of a database that this process replicates. Computing the status of a database needs
 * no request to the store.
 */
export interface DatabaseSummary {
  readonly path: string
  readonly state: DatabaseState
  readonly replicaType: string
  /** URL of the replica without credentials. */
  readonly replica: string
  readonly txid: number
  readonly replicaTxid: number | undefined
  /** Time at which the replica last had every commit, in milliseconds since the epoch. */
  readonly lastSyncAt: number | undefined
  /** Age of the oldest commit that is not in the replica, in milliseconds. */
  readonly lagMs: number
  /** Size of the database file in bytes, or 0 while the file does not exist. */
  readonly databaseSize: number
  readonly walSize: number
  /**
   * How long the database file has been missing, in milliseconds, or undefined while the database
   * file exists, or if the configuration allows a missing database file.
   */
  readonly missingMs: number | undefined
  /**
   * Milliseconds since the primary last knew that the replica had every commit, or undefined if the
   * database is not being replicated.
   */
  readonly behindMs: number | undefined
  /**
   * A sentence that describes a divergence between database and replica. `divergence` is undefined
   * if there is no divergence, or if a user has acknowledged it. `divergenceHint` says what the
   * user should do next about the divergence.
   */
  readonly divergence: string | undefined
  readonly divergenceHint: string | undefined
  /**
   * Number of transactions that the primary itself has written to the database since the primary
   * opened the database.
   */
  readonly ownWrites: number
  readonly error: DatabaseFault | undefined
  /**
   * Why the primary can detect a second primary only after the second primary has written to the
   * replica, or undefined if the store has conditional writes.
   */
  readonly weakFencing: string | undefined
  readonly mirrors: readonly MirrorStatus[]
  /** The most recent scheduled restore that succeeded (`validation.restore-interval`). */
  readonly proof: ProofStatus | undefined
}

/**
 * A recent error of a database. Equal errors count as one error with the time of the first and of
 * the last occurrence.
 */
export interface RecentError {
  readonly operation: DatabaseFault['operation']
  readonly code: ErrorCode
  readonly message: string
  readonly hint: string
  /** Time of the first occurrence, in milliseconds since the epoch. */
  readonly firstAt: number
  readonly lastAt: number
  readonly count: number
}

/** Counts of the files that the primary has written and uploaded since the process started. */
export interface ActivityStatus {
  /**
   * Number of L0 files that the primary has made from the WAL, and number of WAL bytes that it has
   * read for these files.
   */
  readonly syncs: number
  readonly walBytes: number
  readonly uploads: number
  readonly uploadedBytes: number
  /** Durations of the last 100 uploads in milliseconds, or undefined before the first upload. */
  readonly uploadMs: { readonly p50: number | undefined; readonly p95: number | undefined }
  readonly lastUpload: { readonly txid: number; readonly at: number } | undefined
}

/** The requests to the store since the replica was opened. */
export interface RequestStatus {
  readonly counts: Readonly<Record<Operation, number>>
  readonly sinceMs: number
  /**
   * The requests of 30 days, extrapolated from the last half hour, or undefined in the first
   * minute.
   */
  readonly month: MonthlyRequests | undefined
}

/** A state of the database that can be restored from the replica. */
export interface RestorableState {
  readonly txid: number
  /** Time of the restorable state, in milliseconds since the epoch. */
  readonly timestamp: number
}

/** The last and the next snapshot of a replica. */
export interface SnapshotStatus {
  readonly last: { readonly txid: number; readonly at: number; readonly bytes: number } | undefined
  /**
   * Time in milliseconds since the epoch at which the next snapshot is due, or undefined if no
   * snapshot is due. The primary writes a due snapshot only if the database has new commits.
   */
  readonly nextAt: number | undefined
}

/** A restore to a temporary file, which proves that the replica can be restored. */
export interface ProofStatus {
  readonly txid: number
  /** Time of the scheduled restore, in milliseconds since the epoch. */
  readonly at: number
  readonly durationMs: number
  /**
   * Whether every restored page was compared with the page of the primary's database at the same
   * TXID.
   */
  readonly compared: boolean
}

/** A mirror of the replica in another store (docs/mirror.md). */
export interface MirrorStatus {
  /** URL of the mirror without credentials. */
  readonly url: string
  /**
   * The newest TXID that can be restored from the mirror, or undefined before the first pass of the
   * mirror.
   */
  readonly txid: number | undefined
  /**
   * How long the mirror has been behind the replica, in milliseconds, or 0 if the mirror has every
   * file.
   */
  readonly lagMs: number
}

/** A DatabaseSummary, the levels of the replica and the recent lag. */
export interface DatabaseStatus extends DatabaseSummary {
  readonly ok: boolean
  /** The reason why the database is not ok. */
  readonly reason: string | undefined
  /** What the user should do next about the `reason` or the error. */
  readonly hint: string | undefined
  /**
   * The state of the database in one or two words. The status page displays the label. The label
   * names the fault if the database has one.
   */
  readonly label: string
  /** Samples of the lag as `[time, lag]`, which are empty unless the request asked for details. */
  readonly lagHistory: readonly (readonly [number, number])[]
  /**
   * Samples as `[time, lag, uploads, bytes, upload time]`. Uploads, bytes and upload time count
   * from the previous sample. Unless the request asked for details, the list of samples is empty.
   */
  readonly samples: readonly ActivitySample[]
  readonly activity: ActivityStatus
  /** The requests to the store, or undefined while the replica is not open. */
  readonly requests: RequestStatus | undefined
  /**
   * The oldest and the newest state that can be restored, or undefined if no state can be restored,
   * or if the replica cannot be listed.
   */
  readonly restorable: { readonly from: RestorableState; readonly to: RestorableState } | undefined
  /** A command line that restores the newest state of the replica to a new file. */
  readonly restoreCommand: string
  readonly snapshots: SnapshotStatus
  /** Interval of scheduled restores in milliseconds, or undefined without scheduled restores. */
  readonly proofInterval: number | undefined
  /** The most recent errors of the database, newest first. */
  readonly recentErrors: readonly RecentError[]
  readonly levels: readonly {
    readonly level: number
    readonly files: number
    readonly bytes: number
    /**
     * The lowest and the highest TXID of the level, and the times of the level's oldest file and
     * newest file. All four values are 0 for an empty level.
     */
    readonly minTxid: number
    readonly maxTxid: number
    readonly oldest: number
    readonly latest: number
    /**
     * The newest files of the level as `[min TXID, max TXID, bytes, time]`. The list begins with
     * the oldest of these files. Unless the request asked for details, the list of files is empty.
     */
    readonly newest: readonly (readonly [number, number, number, number])[]
  }[]
  /** The reason why the replica could not be listed. */
  readonly levelsError: string | undefined
}

/** The status of a replica that this process reads. */
export interface ReplicaStatus {
  readonly url: string
  readonly ok: boolean
  readonly txid: number
  /**
   * Timestamp of the newest LTX file in the state that the reader shows, in milliseconds since the
   * epoch.
   */
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
  /** Samples of the replica's lag as `[time, lag]`. */
  readonly lagHistory: readonly (readonly [number, number])[]
}

/** The source of the data that an HTTP server serves. */
export interface StatusSource {
  /** The streams of events (absent if the process has no events). */
  readonly events?: EventStreams
  readonly metricsType: string
  metrics(): Promise<string>
  /** Returns the verdict of /healthz. Throws INVALID_ARGUMENT if `maxLag` is not a duration. */
  health(maxLag: string | null): Health
  /**
   * Returns the data of the status page. `details` contains the paths of the databases whose
   * histories the caller wants. If `details` is undefined, the result has the histories of all
   * databases.
   */
  status(details?: readonly string[]): Promise<StatusDocument>
  /** The server calls `onError` if it could not answer the request for `url`. */
  onError(url: string, error: Error): void
}

/**
 * The status `behind` means that a replica is further behind its database than the limit allows.
 * `failing` means that a database is not replicated for another reason. `degraded` means that all
 * databases are replicated, but a listener or the heartbeat fails.
 */
export interface Health {
  readonly status: 'ok' | 'degraded' | 'behind' | 'failing'
  readonly databases: readonly {
    readonly path: string
    readonly ok: boolean
    readonly state: string
    readonly lag_seconds: number
    /** The reason why the database is not ok. */
    readonly reason?: string
    readonly error?: string
    /**
     * Why the primary detects a second primary only after the second primary has written to the
     * replica, or undefined for a store with conditional writes.
     */
    readonly weak_fencing?: string
  }[]
  readonly parts?: readonly {
    readonly part: string
    readonly name: string
    /** Whether all databases are replicated in spite of the part's fault. */
    readonly ok: boolean
    readonly error: string
    readonly error_since: string
  }[]
}
