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

/** Maximum size of a configuration file that a client names, in bytes. */
const MOST_CONFIG = 4 * 2 ** 20

/** The databases that a call refers to, and where they are configured. */
export interface CallDatabases {
  /** The configuration file; undefined for a process without one. */
  readonly file: string | undefined
  readonly databases: readonly DatabaseConfig[]
  /** Directories and files of the configuration that cannot be read. */
  readonly faults: readonly string[]
  /** Throws NOT_FOUND for an unknown path. */
  find(path: string): DatabaseConfig
}

/** The databases of the argument `config`, otherwise those of the process. */
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

/** The file is read in the process that replicates: a device or a pipe must not block it. */
async function readConfig(file: string): Promise<Buffer> {
  try {
    return await readRegular(file, MOST_CONFIG)
  } catch (cause) {
    if (cause instanceof LitestreamError) throw cause
    const { code } = cause as NodeJS.ErrnoException
    throw new LitestreamError(
      code === 'ENOENT' ? 'NOT_FOUND' : 'CONFIG_INVALID',
      code === 'ENOENT' ? `config file not found: ${file}` : `cannot read ${file}: ${(cause as Error).message}`,
      { file, cause, hint: 'Correct `config`, or leave it out to use the databases of this process.' },
    )
  }
}

/** The replica that the argument `path` names: a URL, or the path of a database. */
export async function targetOf(args: ToolArguments, daemon: Daemon): Promise<Target> {
  const path = args.path as string
  // Litestream's tools ignore `config` together with a URL.
  if (isUrl(path)) return targetOfUrl(path)
  refuseNoUrl(path)
  return targetOfDatabase(path, (await databasesOf(args, daemon)).find(path))
}

/** Throws INVALID_ARGUMENT for text that cannot be the path of a file. */
export function checked(path: string): string {
  const fault = pathFault(path)
  if (fault === undefined) return path
  throw new LitestreamError('INVALID_ARGUMENT', `the path ${fault}: ${JSON.stringify(path.slice(0, 100))}`, {
    hint: 'Give the path of a file.',
  })
}
