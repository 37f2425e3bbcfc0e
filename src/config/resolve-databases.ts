import { formatDuration } from '../util/duration.js'
import { MAX_DELAY_MS } from '../util/timers.js'
import { DEFAULTS } from './defaults.js'
import { expandPath } from './expand-path.js'
import { ageError, type FailAt } from './fail.js'
import type { ParsedConfig } from './parse.js'
import { inheritedReplicaKeys, type ReplicaFile, type ReplicaSettings } from './replica-settings.js'
import { replicaType, replicaUrl } from './replica-url.js'
import type { ConfigFile, DatabaseFile } from './schema.js'
import type { DatabaseConfig, DatabaseSettings, DirectoryConfig, MirrorConfig, ReplicaConfig } from './types.js'

type Path = readonly PropertyKey[]

/**
 * Merges the settings of a replica with the defaults at the top of the file. A key that is set
 * neither in the replica nor at the top of the file is absent from the result.
 */
function inherit(root: ConfigFile, replica: ReplicaFile): ReplicaFile {
  const inherited = Object.keys(inheritedReplicaKeys).map((key) => [key, root[key as keyof ReplicaSettings]])
  const given = Object.entries(replica).filter(([, value]) => value !== undefined)
  return { ...Object.fromEntries(inherited.filter(([, value]) => value !== undefined)), ...Object.fromEntries(given) }
}

function resolveReplica(root: ConfigFile, own: ReplicaFile, path: Path, fail: FailAt): ReplicaConfig {
  if (own.age !== undefined) throw ageError(fail, [...path, 'age'])
  // At the top of the file, `bucket` and `host` are defaults only for replicas without a URL. A
  // replica with a URL already has its bucket or host in the URL.
  const merged = inherit(root, own)
  const whereabouts =
    own.url === undefined ? merged : { ...merged, bucket: own.bucket, host: own.host, 'webdav-url': own['webdav-url'] }
  if (own.url !== undefined && replicaType(own) === 'nats') whereabouts.bucket = merged.bucket
  const url = replicaUrl(whereabouts, (key, message, hint) => fail(key ? [...path, key] : path, message, hint))
  const syncInterval = merged['sync-interval'] ?? DEFAULTS.syncInterval
  if (syncInterval <= 0) {
    const where = own['sync-interval'] === undefined ? ['sync-interval'] : [...path, 'sync-interval']
    throw fail(
      where,
      `${formatPath(path)}.sync-interval: sync interval must be greater than 0 (got ${formatDuration(syncInterval)})`,
    )
  }
  const settings = Object.fromEntries(
    Object.keys(inheritedReplicaKeys).flatMap((key) => {
      const value = merged[key as keyof ReplicaSettings]
      return value === undefined ? [] : [[key, value]]
    }),
  ) as ReplicaSettings
  return {
    type: replicaType(own),
    url,
    settings,
    ...(own.encryption ? { encryption: own.encryption } : {}),
    syncInterval,
    maxSyncLtxFiles: merged['max-sync-ltx-files'] ?? DEFAULTS.maxSyncLtxFiles,
    autoRecover: merged['auto-recover'] ?? false,
  }
}

/**
 * Returns the name of the replica section in error messages. The name is `replica` even if the file
 * has a `replicas` list, as in Litestream.
 */
function formatPath(path: Path): string {
  return `dbs[${String(path[1])}].replica`
}

function chooseReplica(database: DatabaseFile, path: Path, fail: FailAt): { replica: ReplicaFile; path: Path } {
  const { replica, replicas } = database
  if (replica !== undefined && replicas !== undefined) {
    throw fail(
      [...path, 'replicas'],
      "cannot specify 'replica' and 'replicas' on a database",
      'Keep `replica` and delete `replicas`.',
    )
  }
  if (replicas !== undefined && replicas.length > 1) {
    throw fail(
      [...path, 'replicas', 1],
      'multiple replicas on a single database are no longer supported',
      'Keep one replica under `replica:` and move the other replicas to `mirrors:`.',
    )
  }
  if (replica !== undefined) return { replica, path: [...path, 'replica'] }
  const [only] = replicas ?? []
  if (only === undefined)
    throw fail(path, 'must specify replica for database', 'Add `replica:` with a `url:` below the entry.')
  return { replica: only, path: [...path, 'replicas', 0] }
}

function resolveMirrors(root: ConfigFile, database: DatabaseFile, path: Path, fail: FailAt): MirrorConfig[] {
  return (database.mirrors ?? []).map((own, i) => {
    const at = [...path, 'mirrors', i]
    const { retention, interval = DEFAULTS.mirrorInterval, limit, ...replica } = own
    for (const [key, value] of Object.entries({ retention, interval })) {
      if (value !== undefined && value <= 0)
        throw fail([...at, key], `mirror ${key} must be greater than 0 (got ${formatDuration(value)})`)
    }
    const resolved = resolveReplica(root, replica, at, fail)
    if (resolved.settings['write-once'] && retention !== undefined) {
      throw fail(
        [...at, 'retention'],
        'a mirror with `write-once` deletes no files, so `retention` has no effect',
        'Delete `retention`, and let a lifecycle rule of the store delete old files.',
      )
    }
    return {
      replica: resolved,
      interval,
      ...(retention === undefined ? {} : { retention }),
      ...(limit === undefined ? {} : { limit }),
    }
  })
}

function databaseSettings(database: DatabaseFile, path: Path, fail: FailAt): Omit<DatabaseSettings, 'mirrors'> {
  const pages = database['min-checkpoint-page-count'] ?? DEFAULTS.minCheckpointPageCount
  if (pages <= 0)
    throw fail(
      [...path, 'min-checkpoint-page-count'],
      `min-checkpoint-page-count must be greater than 0 (got ${pages})`,
    )
  const notNegative = (key: 'monitor-interval' | 'checkpoint-interval' | 'busy-timeout', fallback: number) => {
    const value = database[key] ?? fallback
    if (value < 0) throw fail([...path, key], `${key} must be 0 or more (got ${formatDuration(value)})`)
    return value
  }
  // SQLite stores the busy timeout as a 31-bit number of whole milliseconds.
  const wholeMilliseconds = (key: 'busy-timeout', value: number) => {
    if (value <= MAX_DELAY_MS) return Math.ceil(value)
    throw fail([...path, key], `${key} must be at most ${formatDuration(MAX_DELAY_MS)} (got ${formatDuration(value)})`)
  }
  const leaseTtl = database['lease-ttl'] ?? DEFAULTS.leaseTtl
  if (leaseTtl < 1000)
    throw fail([...path, 'lease-ttl'], `lease-ttl must be at least 1s (got ${formatDuration(leaseTtl)})`)
  return {
    monitorInterval: notNegative('monitor-interval', DEFAULTS.monitorInterval),
    checkpointInterval: notNegative('checkpoint-interval', DEFAULTS.checkpointInterval),
    busyTimeout: wholeMilliseconds('busy-timeout', notNegative('busy-timeout', DEFAULTS.busyTimeout)),
    minCheckpointPageCount: pages,
    truncatePageN: database['truncate-page-n'] || DEFAULTS.truncatePageN,
    maxSyncWalBytes: database['max-sync-wal-bytes'] ?? DEFAULTS.maxSyncWalBytes,
    restoreIfDbNotExists: database['restore-if-db-not-exists'] ?? false,
    lease: database.lease ?? false,
    allowMissing: database['allow-missing'] ?? false,
    onDivergence: database['on-divergence'] ?? 'continue',
    leaseTtl,
  }
}

/** Resolves the `dbs` section of the file to database entries and directory entries. */
export function resolveDatabases(config: ParsedConfig, failAt: FailAt) {
  const databases: DatabaseConfig[] = []
  const directories: DirectoryConfig[] = []
  const seen = new Map<string, number>()
  for (const [i, entry] of (config.values.dbs ?? []).entries()) {
    const path: Path = ['dbs', i]
    const fail: FailAt = (at, message, hint) => failAt(at, `database config #${i + 1}: ${message}`, hint)
    if (entry.path && entry.dir) throw fail(path, "cannot specify both 'path' and 'dir'")
    if (!entry.path && !entry.dir) throw fail(path, "must specify either 'path' or 'dir'")
    if (entry.dir && !entry.pattern)
      throw fail(path, "'pattern' is required when using 'dir'", 'Add a glob, as in `pattern: "*.db"`.')
    if (entry.watch && !entry.dir) throw fail([...path, 'watch'], "'watch' can only be enabled with a directory")
    if (entry['meta-dir'] && !entry.dir)
      throw fail([...path, 'meta-dir'], "'meta-dir' can only be used with 'dir'", 'Use `meta-path` with `path`.')
    if (entry['meta-dir'] && entry['meta-path'])
      throw fail([...path, 'meta-dir'], "cannot specify both 'meta-path' and 'meta-dir'")

    const chosen = chooseReplica(entry, path, fail)
    const replica = resolveReplica(config.values, chosen.replica, chosen.path, fail)
    const mirrors = resolveMirrors(config.values, entry, path, fail)
    const settings = { ...databaseSettings(entry, path, fail), mirrors }
    if (settings.lease && replica.settings['write-once']) {
      throw fail(
        [...path, 'lease'],
        'a lease is renewed by replacing the object lock.json, which `write-once` rules out',
        'Delete `lease` or `write-once`. With either setting, a second primary is detected, because the second primary cannot create files whose names exist.',
      )
    }
    const metaPath = entry['meta-path'] ? { metaPath: expandPath(entry['meta-path']) } : {}
    if (entry.dir) {
      directories.push({
        dir: expandPath(entry.dir),
        pattern: entry.pattern!,
        recursive: entry.recursive ?? false,
        watch: entry.watch ?? false,
        ...metaPath,
        ...(entry['meta-dir'] ? { metaDir: expandPath(entry['meta-dir']) } : {}),
        ...settings,
        replica,
      })
      continue
    }
    const dbPath = expandPath(entry.path!)
    const earlier = seen.get(dbPath)
    if (earlier !== undefined)
      throw fail(
        [...path, 'path'],
        `${dbPath} is already database config #${earlier + 1}`,
        'Delete one of the two `dbs` entries.',
      )
    seen.set(dbPath, i)
    databases.push({ path: dbPath, ...metaPath, ...settings, replica })
  }
  return { databases, directories }
}
