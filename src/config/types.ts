import type { OnDivergence } from '../primary/upload/on-divergence.js'
import type { LogLevel, LogType } from '../util/log-level.js'
import type { Secret } from '../util/secret.js'
import type { ReplicaSettings } from './replica-settings.js'

/** Settings for encrypting the files of the replica, as in EncryptionSettings. */
export interface EncryptionConfig {
  readonly recipients?: readonly string[] | undefined
  readonly identities?: readonly string[] | undefined
  readonly passphrase?: Secret | undefined
}

/**
 * One replica of one database with all its settings. Durations are in milliseconds, and sizes are
 * in bytes.
 */
export interface ReplicaConfig {
  readonly type: string
  readonly url: Secret
  /** Settings that the URL does not contain, such as credentials and options of the provider. */
  readonly settings: ReplicaSettings
  readonly encryption?: EncryptionConfig
  readonly syncInterval: number
  readonly maxSyncLtxFiles: number
  readonly autoRecover: boolean
}

/** A mirror, which is a second copy of a database's replica. */
export interface MirrorConfig {
  readonly replica: ReplicaConfig
  /** How long the mirror keeps its files (see `retention` in MirrorOptions), in milliseconds. */
  readonly retention?: number
  /** Minimum time in milliseconds between two mirror passes while the replica changes. */
  readonly interval: number
  /** Maximum number of bytes that the mirror copies per second, or undefined for no limit. */
  readonly limit?: number
}

/** The settings of a database entry. */
export interface DatabaseSettings {
  readonly monitorInterval: number
  readonly checkpointInterval: number
  readonly busyTimeout: number
  readonly minCheckpointPageCount: number
  /**
   * Number of pages in the WAL from which the primary truncates the WAL; if negative, the primary
   * never does so.
   */
  readonly truncatePageN: number
  /** Number of WAL bytes after which an L0 file ends at the next commit, or 0 for no limit. */
  readonly maxSyncWalBytes: number
  readonly restoreIfDbNotExists: boolean
  /** Whether the primary writes only while it holds the lease of the replica. */
  readonly lease: boolean
  readonly leaseTtl: number
  readonly mirrors: readonly MirrorConfig[]
  /** Whether a missing database file counts as healthy. */
  readonly allowMissing: boolean
  /** What the primary does if the database has diverged from its replica. */
  readonly onDivergence: OnDivergence
}

export interface DatabaseConfig extends DatabaseSettings {
  /** Absolute path of the database file. */
  readonly path: string
  /**
   * Absolute path of the state folder. If `metaPath` is undefined, the state folder is in the
   * folder of the database.
   */
  readonly metaPath?: string
  readonly replica: ReplicaConfig
}

/**
 * A directory entry of the configuration. Replication finds the databases of the directory when it
 * starts. If `watch` is set, replication also finds databases that are created after the start.
 */
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
  /** Whether the process logs to stderr instead of stdout. */
  readonly stderr: boolean
  /** Whether each log line contains the source file and the source line of the logging code. */
  readonly source: boolean
}

/** The effective configuration of a process, after inheritance and defaults. */
export interface Config {
  /**
   * Path of the configuration file, or undefined if the configuration comes from command line
   * arguments.
   */
  readonly file?: string
  /** The address of the HTTP server for metrics, health and the status page. */
  readonly addr?: string
  /** The address of the MCP server. */
  readonly mcpAddr?: string
  readonly exec?: Secret
  readonly socket: { readonly enabled: boolean; readonly path: string; readonly permissions: number }
  /** The compaction levels, of which the first element is level 1. */
  readonly levels: readonly { readonly level: number; readonly interval: number }[]
  readonly snapshot: { readonly interval: number; readonly retention: number }
  /**
   * Interval of the scheduled validation of all levels, or undefined for no scheduled validation.
   */
  readonly validationInterval?: number
  /** Settings of scheduled restores, or undefined for no scheduled restores. */
  readonly restoreProof?: { readonly interval: number; readonly directory?: string }
  readonly l0Retention: number
  readonly l0RetentionCheckInterval: number
  readonly verifyCompaction: boolean
  readonly retentionEnabled: boolean
  readonly divergedRetention: number
  readonly heartbeat?: { readonly url: Secret; readonly interval: number }
  readonly shutdownSyncTimeout: number
  readonly shutdownSyncInterval: number
  readonly execStopTimeout: number
  readonly logging: LoggingConfig
  readonly databases: readonly DatabaseConfig[]
  readonly directories: readonly DirectoryConfig[]
  /** Warnings about settings of Litestream 0.3 and about keys that have no effect. */
  readonly warnings: readonly string[]
}
