import { findDatabases } from '../config/directories.js'
import { expandPath } from '../config/expand-path.js'
import { clientOptions } from '../config/open-configured-replica.js'
import type { Config, DatabaseConfig } from '../config/types.js'
import { LitestreamError } from '../errors.js'
import { type OpenReplicaClientOptions, openReplicaClient } from '../storage/open.js'
import type { ReplicaClient } from '../storage/replica-client.js'
import { isUrl, secretUrl } from '../storage/url.js'
import type { Secret } from '../util/secret.js'
import { type ConfigFlags, configOf } from './command.js'

/** What a command's argument `DB_PATH or URL` stands for. */
export interface Target {
  /** The argument, without the secrets of a URL. */
  readonly name: string
  readonly url: Secret
  readonly options: OpenReplicaClientOptions
  /** Set when the argument was a database of the configuration. */
  readonly database?: DatabaseConfig
}

/** The database of the configuration that has this path. Throws NOT_FOUND. */
export function findDatabase(config: Config, written: string): DatabaseConfig {
  const file = expandPath(written)
  const { databases } = findDatabases(config)
  const found = databases.find((database) => database.path === file)
  if (found) return found
  const known = databases.map((database) => database.path)
  throw new LitestreamError('NOT_FOUND', `database not found in config: ${file}`, {
    file: config.file,
    hint: known.length ? `Configured are: ${known.join(', ')}.` : 'The configuration has no databases.',
  })
}

export async function resolveTarget(argument: string, flags: ConfigFlags): Promise<Target> {
  if (isUrl(argument)) {
    if (flags.config) {
      throw new LitestreamError('INVALID_ARGUMENT', 'cannot use -config with a replica URL', {
        hint: `Give the path of a configured database, or leave -config away.`,
      })
    }
    const url = secretUrl(argument)
    return { name: String(url), url, options: {} }
  }
  const database = findDatabase(await configOf(flags), argument)
  return {
    name: argument,
    url: database.replica.url,
    options: clientOptions(database.replica, database.path),
    database,
  }
}

/** Opens what the argument stands for, hands it to `use` and closes it afterwards. */
export async function withReplica<T>(
  argument: string,
  flags: ConfigFlags,
  use: (client: ReplicaClient, target: Target) => Promise<T>,
): Promise<T> {
  const target = await resolveTarget(argument, flags)
  const client = await openReplicaClient(target.url.reveal(), target.options)
  try {
    return await use(client, target)
  } finally {
    await client.close()
  }
}
