import type { LogLevel, LogType } from '../util/log-level.js'
import type { Secret } from '../util/secret.js'
import type { ReplicaSettings } from './replica-settings.js'

/** One replica of one database with everything that holds for it. Durations are milliseconds, sizes bytes, throughout. */
export interface ReplicaConfig {
  readonly type: string
  readonly url: Secret
  /** What the URL does not say: credentials and the ways of the provider. */
  readonly settings: ReplicaSettings
  readonly syncInterval: number
  readonly maxSyncLtxFiles: number
  readonly autoRecover: boolean
}

/** A second destination of a database: a copy of its replica. */
export interface MirrorConfig {
  readonly replica: ReplicaConfig
  /** See MirrorOptions. */
  readonly retention?: number
  /** Time between two passes while the replica changes. */
  readonly interval: number
  /** Most bytes per second. */
  readonly limit?: number
}

/** What a database entry says about how its database is replicated. */
export interface DatabaseSettings {
  readonly monitorInterval: number
  readonly checkpointInterval: number
  readonly busyTimeout: number
  readonly minCheckpointPageCount: number
  /** Negative: never. */
  readonly truncatePageN: number
  /** 0: no limit. */
  readonly maxSyncWalBytes: number
  readonly restoreIfDbNotExists: boolean
  /** Write only while a lease in the replica is held. */
  readonly lease: boolean
  readonly leaseTtl: number
  readonly mirrors: readonly MirrorConfig[]
}

export interface DatabaseConfig extends DatabaseSettings {
  /** Absolute. */
  readonly path: string
  /** Absolute; undefined for the usual place beside the database. */
  readonly metaPath?: string
  readonly replica: ReplicaConfig
}

/** A directory whose databases are found when replication starts, and later too if it is watched. */
export interface DirectoryConfig extends DatabaseSettings {
  readonly dir: string
  readonly pattern: string
  readonly recursive: boolean
  readonly watch: boolean
  readonly metaPath?: string
  readonly metaDir?: string
  readonly replica: ReplicaConfig
}

export interface LoggingConfig {
  readonly level: LogLevel
  readonly type: LogType
}

/** A whole configuration in force: inheritance applied, defaults filled in. */
export interface Config {
  /** The file it was read from; undefined for a configuration made of command line arguments. */
  readonly file?: string
  readonly addr?: string
  readonly exec?: Secret
  readonly socket: { readonly enabled: boolean; readonly path: string; readonly permissions: number }
  /** Index 0 is level 1. */
  readonly levels: readonly { readonly level: number; readonly interval: number }[]
  readonly snapshot: { readonly interval: number; readonly retention: number }
  /** Undefined: no validation. */
  readonly validationInterval?: number
  readonly l0Retention: number
  readonly l0RetentionCheckInterval: number
  readonly verifyCompaction: boolean
  readonly retentionEnabled: boolean
  readonly heartbeat?: { readonly url: Secret; readonly interval: number }
  readonly shutdownSyncTimeout: number
  readonly shutdownSyncInterval: number
  readonly execStopTimeout: number
  readonly logging: LoggingConfig
  readonly databases: readonly DatabaseConfig[]
  readonly directories: readonly DirectoryConfig[]
  /** For a person: old forms and keys without effect that were met on reading. */
  readonly warnings: readonly string[]
}
