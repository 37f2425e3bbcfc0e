const SECOND = 1000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE

/**
 * Litestream 0.5's defaults: durations in milliseconds, sizes in bytes. The schema, its
 * documentation and the resolver all read these.
 */
export const DEFAULTS = {
  configPath: process.platform === 'win32' ? 'C:\\Litestream\\litestream.yml' : '/etc/litestream.yml',
  socketPath: '/var/run/litestream.sock',
  socketPermissions: 0o600,
  levels: [30 * SECOND, 5 * MINUTE, HOUR],
  snapshotInterval: 24 * HOUR,
  snapshotRetention: 24 * HOUR,
  l0Retention: 5 * MINUTE,
  divergedRetention: 720 * HOUR,
  l0RetentionCheckInterval: 15 * SECOND,
  heartbeatInterval: 5 * MINUTE,
  minHeartbeatInterval: MINUTE,
  shutdownSyncTimeout: 30 * SECOND,
  shutdownSyncInterval: 500,
  execStopTimeout: 30 * SECOND,
  monitorInterval: SECOND,
  checkpointInterval: MINUTE,
  busyTimeout: SECOND,
  minCheckpointPageCount: 1000,
  truncatePageN: 121_359,
  maxSyncWalBytes: 64 * 2 ** 20,
  leaseTtl: 30 * SECOND,
  syncInterval: SECOND,
  mirrorInterval: 10 * SECOND,
  maxSyncLtxFiles: 256,
} as const

/** The highest level a `levels` entry can configure; level 9 holds snapshots. */
export const MAX_LEVELS = 8
