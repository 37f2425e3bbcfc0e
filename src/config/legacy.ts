import { formatDuration } from '../util/duration.js'
import type { ParsedConfig } from './parse.js'
import type { ReplicaFile } from './replica-settings.js'
import type { ConfigFile, DatabaseFile } from './schema.js'

/**
 * The snapshot settings of a configuration file for Litestream 0.3. In such a file, each replica
 * has snapshot settings. A LegacySnapshot combines the snapshot settings of all replicas.
 */
export interface LegacySnapshot {
  interval?: number
  retention?: number
}

/**
 * Combines settings that Litestream 0.3 has per replica and Litestream 0.5 has per process. If the
 * replicas have different settings, returns the shortest interval and the longest retention,
 * because they are the safest.
 */
export function legacySnapshot(values: ConfigFile): LegacySnapshot {
  const result: LegacySnapshot = {}
  for (const replica of (values.dbs ?? []).flatMap(allReplicas)) {
    const interval = replica['snapshot-interval']
    const { retention } = replica
    if (interval) result.interval = Math.min(interval, result.interval ?? Number.POSITIVE_INFINITY)
    if (retention) result.retention = Math.max(retention, result.retention ?? 0)
  }
  return result
}

function allReplicas(database: DatabaseFile): ReplicaFile[] {
  return [...(database.replica ? [database.replica] : []), ...(database.replicas ?? [])]
}

/**
 * Returns one warning for each setting in a form of Litestream 0.3. Each warning contains lines
 * that the user can write instead of the old setting.
 */
export function legacyWarnings(config: ParsedConfig): string[] {
  const warnings: string[] = []
  const { values } = config
  for (const [i, database] of (values.dbs ?? []).entries()) {
    if (database.replicas?.length === 1) {
      const place = config.place(['dbs', i, 'replicas'])
      warnings.push(`${place}: the 'replicas' list is the form of Litestream 0.3; write instead:\n${newForm(database)}`)
    }
    if (database['max-checkpoint-page-count'] !== undefined) {
      const place = config.place(['dbs', i, 'max-checkpoint-page-count'])
      warnings.push(`${place}: max-checkpoint-page-count has no effect since 0.5; write truncate-page-n instead`)
    }
    const lists = [
      ...(database.replica ? [[database.replica, ['dbs', i, 'replica']] as const] : []),
      ...(database.replicas ?? []).map((replica, j) => [replica, ['dbs', i, 'replicas', j]] as const),
    ]
    for (const [replica, path] of lists) {
      const moved = { 'snapshot-interval': 'interval', retention: 'retention' } as const
      for (const [key, now] of Object.entries(moved) as [keyof typeof moved, string][]) {
        const value = replica[key]
        if (value === undefined) continue
        const lines = `  snapshot:\n    ${now}: ${formatDuration(value)}`
        warnings.push(
          `${config.place([...path, key])}: ${key} belongs to the whole process since 0.5; write at the top of the file:\n${lines}`,
        )
      }
      if (replica['retention-check-interval'] !== undefined) {
        warnings.push(
          `${config.place([...path, 'retention-check-interval'])}: retention-check-interval has no effect since 0.5; delete the line`,
        )
      }
    }
  }
  return warnings
}

/** Returns a database entry as it should be written now, without moved keys and without secrets. */
function newForm(database: DatabaseFile): string {
  const [replica] = database.replicas!
  const lines = [`  - path: ${database.path ?? '…'}`, '    replica:']
  for (const key of ['url', 'type', 'bucket', 'path', 'region', 'endpoint', 'host', 'user'] as const) {
    const value = replica?.[key]
    if (value !== undefined) lines.push(`      ${key}: ${value}`)
  }
  return lines.join('\n')
}
