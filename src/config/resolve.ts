import { splitAddress } from '../util/address.js'
import { formatDuration } from '../util/duration.js'
import { tryParseLogLevel } from '../util/log-level.js'
import { DEFAULTS } from './defaults.js'
import { expandPath } from './expand-path.js'
import { ageError, type FailAt, failer } from './fail.js'
import { ineffectiveKeys } from './ineffective-keys.js'
import { legacySnapshot, legacyWarnings } from './legacy.js'
import type { ParsedConfig } from './parse.js'
import { resolveDatabases } from './resolve-databases.js'
import { formatKeyPath } from './shape.js'
import type { Config } from './types.js'

/**
 * Applies inheritance and defaults, and checks rules that the schema does not express. Throws
 * CONFIG_INVALID.
 */
export function resolveConfig(config: ParsedConfig): Config {
  const { values } = config
  const fail = failer(config)
  const positive = (path: readonly PropertyKey[], what: string, value: number) => {
    if (value > 0) return value
    throw fail(path, `${formatKeyPath(path)}: ${what} must be greater than 0 (got ${formatDuration(value)})`)
  }
  const notNegative = (path: readonly PropertyKey[], what: string, value: number) => {
    if (value >= 0) return value
    throw fail(path, `${formatKeyPath(path)}: ${what} must not be negative (got ${formatDuration(value)})`)
  }

  for (const key of ['addr', 'mcp-addr'] as const) {
    const address = values[key]
    if (!address || splitAddress(address)) continue
    throw fail(
      [key],
      `must specify port for bind address: ${JSON.stringify(address)}`,
      'Write the address as host:port, such as 127.0.0.1:9090.',
    )
  }
  if (values.age !== undefined) throw ageError(fail, ['age'])

  const intervals = values.levels?.map((level, i) => {
    const path = ['levels', i, 'interval']
    if (level.interval === undefined) throw fail(['levels', i], `${formatKeyPath(path)}: compaction interval required`)
    return positive(path, 'compaction interval', level.interval)
  })
  const snapshot = resolveSnapshot(config, fail)
  const warnings = [...legacyWarnings(config), ...ineffectiveKeys(config)]
  if (!values.dbs?.length) warnings.push(`${config.file}: no databases specified in configuration`)

  const { databases, directories } = resolveDatabases(config, fail)
  if ([...databases, ...directories].some(({ replica }) => replica.settings['write-once'])) {
    for (const path of RETENTION_KEYS) {
      if (!isSet(values, path)) continue
      warnings.push(
        `${config.place(path)}: ${path.join('.')} has no effect on replicas with write-once: lifecycle rules of the store delete the files of these replicas`,
      )
    }
  }
  const heartbeatUrl = values['heartbeat-url']
  if (heartbeatUrl && !isHttpUrl(heartbeatUrl.reveal())) {
    throw fail(
      ['heartbeat-url'],
      `heartbeat URL must be a valid HTTP or HTTPS URL (got "${heartbeatUrl}")`,
      'Write the heartbeat URL as https://HOST/PATH.',
    )
  }
  const heartbeatInterval = values['heartbeat-interval'] ?? DEFAULTS.heartbeatInterval
  if (heartbeatInterval < DEFAULTS.minHeartbeatInterval) {
    throw fail(
      ['heartbeat-interval'],
      `heartbeat interval must be at least 1 minute (got ${formatDuration(heartbeatInterval)})`,
    )
  }

  return {
    file: config.file,
    ...(values.addr ? { addr: values.addr } : {}),
    ...(values['mcp-addr'] ? { mcpAddr: values['mcp-addr'] } : {}),
    ...(values.exec ? { exec: values.exec } : {}),
    socket: {
      enabled: values.socket?.enabled ?? false,
      path: values.socket?.path ?? DEFAULTS.socketPath,
      permissions: values.socket?.permissions ?? DEFAULTS.socketPermissions,
    },
    levels: (intervals ?? DEFAULTS.levels).map((interval, i) => ({ level: i + 1, interval })),
    snapshot: {
      interval: positive(['snapshot', 'interval'], 'snapshot interval', snapshot.interval),
      retention: positive(['snapshot', 'retention'], 'snapshot retention', snapshot.retention),
    },
    ...(!values.validation?.interval // 0 is off, as in Litestream
      ? {}
      : {
          validationInterval: positive(['validation', 'interval'], 'validation interval', values.validation.interval),
        }),
    ...restoreProofOf(values.validation, positive),
    l0Retention: notNegative(['l0-retention'], 'l0 retention', values['l0-retention'] ?? DEFAULTS.l0Retention),
    l0RetentionCheckInterval: positive(
      ['l0-retention-check-interval'],
      'l0 retention check interval',
      values['l0-retention-check-interval'] ?? DEFAULTS.l0RetentionCheckInterval,
    ),
    verifyCompaction: values['verify-compaction'] ?? false,
    retentionEnabled: values.retention?.enabled ?? true,
    divergedRetention: notNegative(
      ['retention', 'diverged'],
      'diverged retention',
      values.retention?.diverged ?? DEFAULTS.divergedRetention,
    ),
    ...(heartbeatUrl ? { heartbeat: { url: heartbeatUrl, interval: heartbeatInterval } } : {}),
    shutdownSyncTimeout: notNegative(
      ['shutdown-sync-timeout'],
      'shutdown sync timeout',
      values['shutdown-sync-timeout'] ?? DEFAULTS.shutdownSyncTimeout,
    ),
    shutdownSyncInterval: positive(
      ['shutdown-sync-interval'],
      'shutdown sync interval',
      values['shutdown-sync-interval'] ?? DEFAULTS.shutdownSyncInterval,
    ),
    execStopTimeout: positive(
      ['exec-stop-timeout'],
      'exec stop timeout',
      values['exec-stop-timeout'] ?? DEFAULTS.execStopTimeout,
    ),
    logging: {
      level: tryParseLogLevel(values.logging?.level ?? '') ?? 'info',
      type: values.logging?.type ?? 'text',
      stderr: values.logging?.stderr ?? true,
      source: values.logging?.source ?? false,
    },
    databases,
    directories,
    warnings,
  }
}

/** Keys of settings that make retention delete files of replicas. */
const RETENTION_KEYS = [
  ['l0-retention'],
  ['snapshot', 'retention'],
  ['retention', 'enabled'],
  ['retention', 'diverged'],
] as const

function isSet(values: ParsedConfig['values'], [section, key]: readonly string[]): boolean {
  const value = (values as Readonly<Record<string, unknown>>)[section!]
  const found = key === undefined ? value : (value as Readonly<Record<string, unknown>> | undefined)?.[key]
  return found !== undefined && found !== false
}

function restoreProofOf(
  validation: ParsedConfig['values']['validation'],
  positive: (path: readonly PropertyKey[], what: string, value: number) => number,
): Pick<Config, 'restoreProof'> {
  const interval = validation?.['restore-interval']
  if (interval === undefined) return {}
  const directory = validation?.['restore-dir']
  return {
    restoreProof: {
      interval: positive(['validation', 'restore-interval'], 'restore interval', interval),
      ...(directory ? { directory: expandPath(directory) } : {}),
    },
  }
}

function isHttpUrl(text: string): boolean {
  return /^https?:\/\/[^/]/i.test(text) && URL.canParse(text)
}

/**
 * Litestream has one snapshot schedule per process, but also accepts snapshot settings in a
 * database entry. All snapshot settings in database entries must therefore be the same.
 */
function resolveSnapshot({ values }: ParsedConfig, fail: FailAt) {
  const legacy = legacySnapshot(values)
  const pick = (key: 'interval' | 'retention', fallback: number) => {
    if (values.snapshot?.[key] !== undefined) return values.snapshot[key]
    let chosen: number | undefined
    for (const [i, database] of (values.dbs ?? []).entries()) {
      const value = database.snapshot?.[key]
      if (value === undefined) continue
      if (chosen !== undefined && chosen !== value) {
        throw fail(
          ['dbs', i, 'snapshot', key],
          `conflicting database snapshot.${key} values: ${formatDuration(chosen)} and ${formatDuration(value)}`,
          `Write \`snapshot.${key}\` once, at the top of the file: all databases share one schedule.`,
        )
      }
      chosen = value
    }
    return chosen ?? legacy[key] ?? fallback
  }
  return {
    interval: pick('interval', DEFAULTS.snapshotInterval),
    retention: pick('retention', DEFAULTS.snapshotRetention),
  }
}
