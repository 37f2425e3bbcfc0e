import type { ErrorCode } from '../errors.js'
import type { PrimaryEvents } from '../primary/events.js'

/** What the status page shows; TXIDs are numbers, times and durations milliseconds, sizes bytes. */
export interface StatusDocument {
  readonly version: string
  readonly startedAt: number
  readonly now: number
  /** The verdict on all of it, as /healthz gives it without `max-lag`. */
  readonly health: Health['status']
  readonly databases: readonly DatabaseStatus[]
  readonly replicas: readonly ReplicaStatus[]
  /** The parts beside the databases that do not work at the moment. */
  readonly parts: readonly PartFault[]
}

/**
 * `open`: waits for the database file to appear; `error`: the replica or the database cannot be opened, which is retried unless its
 * error says otherwise; `standby`: another primary has the lease; `fenced`: another primary writes to the replica.
 */
export type DatabaseState = 'replicating' | 'open' | 'error' | 'standby' | 'stopped' | 'fenced'

/** What fails for one database at the moment. */
export interface DatabaseFault {
  readonly operation: 'open' | PrimaryEvents['error']['operation']
  readonly message: string
  readonly code: ErrorCode
  readonly hint: string | undefined
  /** Milliseconds since the epoch, for a person; ages are measured with `ageMs`. */
  readonly since: number
  readonly ageMs: number
  /** False: it stays until the process, or the database, is started again. */
  readonly retried: boolean
}

/** A part of the process beside its databases. */
export type PartKind = 'mirror' | 'http' | 'control socket' | 'directory' | 'watch' | 'file' | 'heartbeat' | 'process'

/** A part that does not work at the moment, and is tried again. */
export interface PartFault {
  readonly part: PartKind
  /** The address, path or folder that it is about. */
  readonly name: string
  /** Whether something is not replicated because of it. */
  readonly replication: boolean
  readonly message: string
  readonly code: ErrorCode
  readonly hint: string | undefined
  /** Milliseconds since the epoch. */
  readonly since: number
  /** How many times in a row. */
  readonly failures: number
}

/** A database that this process replicates, as far as it is known without asking the store. */
export interface DatabaseSummary {
  readonly path: string
  readonly state: DatabaseState
  readonly replicaType: string
  /** Without credentials. */
  readonly replica: string
  readonly txid: number
  readonly replicaTxid: number | undefined
  /** When the replica last had everything, ms since the epoch. */
  readonly lastSyncAt: number | undefined
  /** How long the oldest commit that is not in the replica has been waiting, milliseconds. */
  readonly lagMs: number
  /** Bytes; 0 while there is no file. */
  readonly databaseSize: number
  readonly walSize: number
  /** How long there has been no database file, milliseconds; undefined while there is one. */
  readonly missingMs: number | undefined
  readonly error: DatabaseFault | undefined
  readonly mirrors: readonly MirrorStatus[]
}

/** A copy of the replica in another store, see docs/mirror.md. */
export interface MirrorStatus {
  /** Without credentials. */
  readonly url: string
  /** The newest TXID to which it can be restored; undefined before the first pass. */
  readonly txid: number | undefined
  /** How long it has been behind the replica, milliseconds; 0 if it is not. */
  readonly lagMs: number
}

/** The same with what the store and the last minutes say. */
export interface DatabaseStatus extends DatabaseSummary {
  readonly ok: boolean
  /** Why it is not ok. */
  readonly reason: string | undefined
  /** `[time, lag]`. */
  readonly lagHistory: readonly (readonly [number, number])[]
  readonly levels: readonly {
    readonly level: number
    readonly files: number
    readonly bytes: number
    /** `[min TXID, max TXID, bytes, time]` of the newest files, oldest first. */
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
  /** When that state was written on the primary. */
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

/** Where an HTTP server gets from what it serves. */
export interface StatusSource {
  readonly metricsType: string
  metrics(): Promise<string>
  /** Throws INVALID_ARGUMENT for a `maxLag` that is no duration. */
  health(maxLag: string | null): Health
  status(): Promise<StatusDocument>
  /** A request could not be answered. */
  onError(url: string, error: Error): void
}

/**
 * `behind`: a replica is behind by more than the limit; `failing`: a database is not replicated for another reason; `degraded`: all
 * are replicated, and a listener or the heartbeat fails.
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
  }[]
  readonly parts?: readonly {
    readonly part: string
    readonly name: string
    /** Whether everything is replicated all the same. */
    readonly ok: boolean
    readonly error: string
    readonly error_since: string
  }[]
}
