import { DEFAULT_COMPACTION_SETTINGS } from '../compaction/settings.js'
import { DIVERGED_RETENTION_MS } from '../levels/diverged-retention.js'
import { DEFAULT_MIRROR_INTERVAL } from '../mirror/options.js'
import { DEFAULT_REPLICATOR_OPTIONS } from '../primary/options.js'

const SECOND = 1000
const MINUTE = 60 * SECOND

const { levels, snapshot, l0Retention, l0RetentionCheckInterval } = DEFAULT_COMPACTION_SETTINGS
const primary = DEFAULT_REPLICATOR_OPTIONS

/**
 * The defaults of the configuration, which are the defaults of Litestream 0.5. Durations are in
 * milliseconds, and sizes are in bytes. The schema, its documentation and the resolver use
 * `DEFAULTS`. The defaults of library options are imported from the code of the library.
 */
export const DEFAULTS = {
  configPath: process.platform === 'win32' ? 'C:\\Litestream\\litestream.yml' : '/etc/litestream.yml',
  socketPath: process.platform === 'win32' ? '\\\\.\\pipe\\litestream' : '/var/run/litestream.sock',
  socketPermissions: 0o600,
  levels: levels.map(({ interval }) => interval),
  snapshotInterval: snapshot.interval,
  snapshotRetention: snapshot.retention,
  l0Retention,
  divergedRetention: DIVERGED_RETENTION_MS,
  l0RetentionCheckInterval,
  heartbeatInterval: 5 * MINUTE,
  minHeartbeatInterval: MINUTE,
  shutdownSyncTimeout: primary.shutdownSyncTimeout,
  shutdownSyncInterval: primary.shutdownSyncInterval,
  execStopTimeout: 30 * SECOND,
  monitorInterval: primary.monitorInterval,
  checkpointInterval: primary.checkpointInterval,
  busyTimeout: primary.busyTimeout,
  minCheckpointPageCount: primary.minCheckpointPages,
  truncatePageN: primary.truncatePages,
  maxSyncWalBytes: primary.maxSyncWalBytes,
  leaseTtl: primary.leaseTtl,
  syncInterval: primary.syncInterval,
  mirrorInterval: DEFAULT_MIRROR_INTERVAL,
  maxSyncLtxFiles: primary.maxSyncLtxFiles,
} as const

/** The highest level that a `levels` entry can configure. Level 9 is for snapshots. */
export const MAX_LEVELS = 8
