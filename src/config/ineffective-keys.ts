import { STORE_KEYS } from './open-configured-replica.js'
import type { ParsedConfig } from './parse.js'
import { replicaType } from './replica-url.js'

const SOMEWHERE: ReadonlySet<string> = new Set(Object.values(STORE_KEYS).flat())

/**
 * Returns one warning for each key of a replica that has no effect for the replica's type. Keys at
 * the top of the file cause no warning, because they are defaults for replicas of all types.
 */
export function ineffectiveKeys(config: ParsedConfig): string[] {
  const warnings: string[] = []
  for (const [i, { replica, replicas = [] }] of (config.values.dbs ?? []).entries()) {
    const all = [
      ...(replica ? [[replica, ['dbs', i, 'replica']] as const] : []),
      ...replicas.map((each, j) => [each, ['dbs', i, 'replicas', j]] as const),
    ]
    for (const [each, path] of all) {
      const type = replicaType(each)
      const own: readonly string[] | undefined = STORE_KEYS[type as keyof typeof STORE_KEYS]
      if (own === undefined) continue
      if (each.url !== undefined && each.type !== undefined && each.type !== type) {
        warnings.push(
          `${config.place([...path, 'type'])}: type: ${each.type} has no effect, because the URL has the type ${type}`,
        )
      }
      for (const [key, value] of Object.entries(each)) {
        if (value === undefined || !SOMEWHERE.has(key) || own.includes(key)) continue
        warnings.push(`${config.place([...path, key])}: ${key} has no effect in a replica of the type ${type}`)
      }
    }
  }
  return warnings
}
