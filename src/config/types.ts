import type { OnDivergence } from '../primary/upload/on-divergence.js'
import type { LogLevel, LogType } from '../util/log-level.js'
import type { Secret } from '../util/secret.js'
import type { ReplicaSettings } from './replica-settings.js'

/** See EncryptionSettings. */
export interface EncryptionConfig {
  readonly recipients?: readonly string[] | undefined
  readonly identities?: readonly string[] | undefined
  readonly passphrase?: Secret | undefined
}

/**
 * One replica of one database with all of its settings. Durations are in milliseconds, sizes in
 * bytes.
 */
export interface ReplicaConfig {
  readonly type: string
  readonly url: Secret
  /** Settings that are not in the URL: credentials, and options of the provider. */
  readonly settings: ReplicaSettings
  readonly encryption?: EncryptionConfig
  readonly syncInterval: number
  readonly maxSyncLtxFiles: number
  readonly autoRecover: boolean
}

/** A mirror of a database's replica in another place. */
export interface MirrorConfig {
  readonly replica: ReplicaConfig
  /** See MirrorOptions. */
  readonly retention?: number
  /** Minimum time between two passes while the replica changes. */
  readonly interval: number
  /** Maximum bytes per second. */
  readonly limit?: number
}

/** The settings of a database entry. */
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
  /** Write only while this primary holds the lease of the replica. */
  readonly lease: boolean
  readonly leaseTtl: number
  readonly mirrors: readonly MirrorConfig[]
  /** A missing database file is not an error. */
  readonly allowMissing: boolean
  /** What to do with a database that does not continue the newest state of its replica. */
  readonly onDivergence: OnDivergence
}

export interface DatabaseConfig extends DatabaseSettings {
  /** Absolute path. */
  readonly path: string
  /** Absolute path; undefined for the default beside the database. */
  readonly metaPath?: string
  readonly replica: ReplicaConfig
}

/**
 * A directory whose databases are found when replication starts, and while it runs if the directory
 * is watched.
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
  /** False: logs go to stdout. */
  readonly stderr: boolean
  /** Whether each line names the place in the code that logged it. */
  readonly source: boolean
}

/** The effective configuration, after inheritance and defaults. */
export interface Config {
  /**
   * The configuration file; undefined if the configuration was made from command line arguments.
   */
  readonly file?: string
  /** The address that serves metrics, health and the status page. */
  readonly addr?: string
  /** The address of the MCP server. */
  readonly mcpAddr?: string
  readonly exec?: Secret
  readonly socket: { readonly enabled: boolean; readonly path: string; readonly permissions: number }
  /** Index 0 is level 1. */
  readonly levels: readonly { readonly level: number; readonly interval: number }[]
  readonly snapshot: { readonly interval: number; readonly retention: number }
  /** Undefined: no validation. */
  readonly validationInterval?: number
  /** Undefined: no scheduled restores. */
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
  /** Warnings for the user: old forms, and keys without effect. */
  readonly warnings: readonly string[]
}
