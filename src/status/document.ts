/** What the status page shows; TXIDs are numbers, times and durations milliseconds, sizes bytes. */
export interface StatusDocument {
  readonly version: string
  readonly startedAt: number
  readonly now: number
  readonly databases: readonly DatabaseStatus[]
  readonly replicas: readonly ReplicaStatus[]
}

/** `open`: waits for the database, or the replica, to appear; `standby`: another primary has the lease. */
export type DatabaseState = 'replicating' | 'open' | 'standby' | 'stopped' | 'fenced'

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
  readonly error: { readonly message: string; readonly since: number } | undefined
}

/** The same with what the store and the last minutes say. */
export interface DatabaseStatus extends DatabaseSummary {
  readonly ok: boolean
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

export interface Health {
  readonly status: 'ok' | 'behind'
  readonly databases: readonly {
    readonly path: string
    readonly ok: boolean
    readonly state: string
    readonly lag_seconds: number
    readonly error?: string
  }[]
}
