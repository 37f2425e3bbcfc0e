import { findDatabases } from '../../config/directories.js'
import { expandPath } from '../../config/expand-path.js'
import { configFromText } from '../../config/load.js'
import type { DatabaseConfig } from '../../config/types.js'
import { LitestreamError } from '../../errors.js'
import { readRegular } from '../../fs/open-regular.js'
import { isUrl } from '../../storage/url.js'
import { pathFault } from '../daemon/control-request.js'
import type { Daemon } from '../daemon/daemon.js'
import { findDatabase, refuseNoUrl, type Target, targetOfDatabase, targetOfUrl } from '../target.js'
import type { ToolArguments } from './tool.js'

/** Maximum size in bytes of a configuration file whose path comes from an MCP client. */
const MOST_CONFIG = 4 * 2 ** 20

/** The databases that a tool call can use, and their configuration. */
export interface CallDatabases {
  /**
   * Path of the configuration file, or undefined if the process runs without a configuration file.
   */
  readonly file: string | undefined
  readonly databases: readonly DatabaseConfig[]
  /** Error messages of the configured directories and files that cannot be read. */
  readonly faults: readonly string[]
  /** Returns the database at `path`. Throws NOT_FOUND for an unknown path. */
  find(path: string): DatabaseConfig
}

/**
 * Returns the databases in the configuration file whose path is the argument `config`. Without the
 * argument `config`, returns the databases of the process.
 */
export async function databasesOf({ config }: ToolArguments, daemon: Daemon): Promise<CallDatabases> {
  if (config === undefined) {
    const databases = daemon.databases.map((database) => database.config)
    const find = (path: string) => daemon.get(expandPath(checked(path))).config
    return { file: daemon.config.file, databases, faults: [], find }
  }
  const file = expandPath(checked(config as string))
  const read = configFromText((await readConfig(file)).toString('utf8'), file)
  const { databases, faults } = findDatabases(read)
  return {
    file,
    databases,
    faults: faults.map(({ path, error }) => `${path}: ${error.message}`),
    find: (path) => findDatabase(read, checked(path)),
  }
}

/**
 * Reads only regular files. A read of a device or a pipe could block the process, which also
 * replicates databases.
 */
async function readConfig(file: string): Promise<Buffer> {
  try {
    return await readRegular(file, MOST_CONFIG)
  } catch (cause) {
    if (cause instanceof LitestreamError) throw cause
    const { code } = cause as NodeJS.ErrnoException
    throw new LitestreamError(
      code === 'ENOENT' ? 'NOT_FOUND' : 'CONFIG_INVALID',
      code === 'ENOENT' ? `config file not found: ${file}` : `cannot read ${file}: ${(cause as Error).message}`,
      { file, cause, hint: 'Correct `config`, or omit `config` to use the databases of this process.' },
    )
  }
}

/**
 * Returns the replica that the argument `path` selects. `path` is a replica URL or the path of a
 * database.
 */
export async function targetOf(args: ToolArguments, daemon: Daemon): Promise<Target> {
  const path = args.path as string
  // If `path` is a URL, the argument `config` is ignored, as in Litestream.
  if (isUrl(path)) return targetOfUrl(path)
  refuseNoUrl(path)
  return targetOfDatabase(path, (await databasesOf(args, daemon)).find(path))
}

/** Throws INVALID_ARGUMENT if `path` cannot be the path of a file. */
export function checked(path: string): string {
  const fault = pathFault(path)
  if (fault === undefined) return path
  throw new LitestreamError('INVALID_ARGUMENT', `the path ${fault}: ${JSON.stringify(path.slice(0, 100))}`, {
    hint: 'Give the path of a file.',
  })
}
