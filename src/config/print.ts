import { stringify } from 'yaml'
import { formatDuration } from '../util/duration.js'
import { Secret } from '../util/secret.js'
import { describedSchema } from './json-schema.js'
import type { Config, DatabaseSettings, ReplicaConfig } from './types.js'

function replica(config: ReplicaConfig) {
  const properties = describedSchema().properties!
  const settings = Object.entries(config.settings).map(([key, value]) => {
    if (value instanceof Secret) return [key, String(value)]
    return [key, properties[key]?.kind === 'duration' ? formatDuration(value as number) : value]
  })
  return {
    url: String(config.url),
    ...Object.fromEntries(settings),
    'sync-interval': formatDuration(config.syncInterval),
    'max-sync-ltx-files': config.maxSyncLtxFiles,
    'auto-recover': config.autoRecover,
  }
}

function settings(config: DatabaseSettings) {
  return {
    'monitor-interval': formatDuration(config.monitorInterval),
    'checkpoint-interval': formatDuration(config.checkpointInterval),
    'busy-timeout': formatDuration(config.busyTimeout),
    'min-checkpoint-page-count': config.minCheckpointPageCount,
    'truncate-page-n': config.truncatePageN,
    'max-sync-wal-bytes': config.maxSyncWalBytes,
    lease: config.lease,
    'lease-ttl': formatDuration(config.leaseTtl),
    'on-divergence': config.onDivergence,
    'allow-missing': config.allowMissing,
  }
}

/** Returns the section `validation` of the effective configuration. */
function validation({ validationInterval, restoreProof }: Config): object {
  const settings = {
    ...(validationInterval ? { interval: formatDuration(validationInterval) } : {}),
    ...(restoreProof ? { 'restore-interval': formatDuration(restoreProof.interval) } : {}),
    ...(restoreProof?.directory ? { 'restore-dir': restoreProof.directory } : {}),
  }
  return Object.keys(settings).length > 0 ? { validation: settings } : {}
}

/**
 * Returns the effective configuration with the keys of the configuration file. The result contains
 * every default, and secrets are masked.
 */
export function effectiveConfig(config: Config): object {
  const { snapshot, socket, heartbeat } = config
  return {
    ...(config.addr ? { addr: config.addr } : {}),
    ...(config.exec ? { exec: String(config.exec) } : {}),
    socket: { enabled: socket.enabled, path: socket.path, permissions: `0${socket.permissions.toString(8)}` },
    levels: config.levels.map(({ interval }) => ({ interval: formatDuration(interval) })),
    snapshot: { interval: formatDuration(snapshot.interval), retention: formatDuration(snapshot.retention) },
    ...validation(config),
    'l0-retention': formatDuration(config.l0Retention),
    'l0-retention-check-interval': formatDuration(config.l0RetentionCheckInterval),
    'verify-compaction': config.verifyCompaction,
    retention: { enabled: config.retentionEnabled, diverged: formatDuration(config.divergedRetention) },
    ...(heartbeat
      ? { 'heartbeat-url': String(heartbeat.url), 'heartbeat-interval': formatDuration(heartbeat.interval) }
      : {}),
    'shutdown-sync-timeout': formatDuration(config.shutdownSyncTimeout),
    'shutdown-sync-interval': formatDuration(config.shutdownSyncInterval),
    'exec-stop-timeout': formatDuration(config.execStopTimeout),
    logging: { ...config.logging },
    dbs: [
      ...config.databases.map((database) => ({
        path: database.path,
        ...(database.metaPath ? { 'meta-path': database.metaPath } : {}),
        ...settings(database),
        'restore-if-db-not-exists': database.restoreIfDbNotExists,
        replica: replica(database.replica),
      })),
      ...config.directories.map((directory) => ({
        dir: directory.dir,
        pattern: directory.pattern,
        recursive: directory.recursive,
        watch: directory.watch,
        ...(directory.metaPath ? { 'meta-path': directory.metaPath } : {}),
        ...(directory.metaDir ? { 'meta-dir': directory.metaDir } : {}),
        ...settings(directory),
        replica: replica(directory.replica),
      })),
    ],
  }
}

export function effectiveYaml(config: Config): string {
  return stringify(effectiveConfig(config), { lineWidth: 0 })
}
