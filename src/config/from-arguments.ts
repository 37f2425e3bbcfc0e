import { LitestreamError } from '../errors.js'
import { expandPath } from './expand-path.js'
import { resolveConfig } from './resolve.js'
import { configSchema } from './schema.js'
import { formatKeyPath, ShapeFault } from './shape.js'
import type { Config } from './types.js'

const SOURCE = 'arguments'

/**
 * Creates a configuration for one database from command line arguments. All settings except the
 * database path and the replica URL have their defaults. Throws CONFIG_INVALID.
 * configFromArguments() does not load the YAML parser. The YAML parser would be a quarter of the
 * loaded code.
 */
export function configFromArguments(dbPath: string, replicaUrl: string): Config {
  const given = { dbs: [{ path: expandPath(dbPath), replica: { url: replicaUrl } }] }
  try {
    const values = configSchema.read(given, []) ?? {}
    const { file: _, ...config } = resolveConfig({ file: SOURCE, values, place: () => SOURCE })
    return config
  } catch (error) {
    if (!(error instanceof ShapeFault)) throw error
    throw new LitestreamError('CONFIG_INVALID', `${SOURCE}: ${formatKeyPath(error.at)}: ${error.message}`, {
      hint: 'Correct the database path or the replica URL on the command line.',
    })
  }
}
