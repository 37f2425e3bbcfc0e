import path from 'node:path'
import { findDatabases } from '../config/directories.js'
import { expandPath } from '../config/expand-path.js'
import { clientOptions } from '../config/open-configured-replica.js'
import type { Config, DatabaseConfig } from '../config/types.js'
import { isLitestreamError, LitestreamError } from '../errors.js'
import { type OpenReplicaClientOptions, openReplicaClient } from '../storage/open.js'
import type { ReplicaClient } from '../storage/replica-client.js'
import { isUrl, secretUrl } from '../storage/url.js'
import { withoutSecrets } from '../util/redact.js'
import type { Secret } from '../util/secret.js'
import { type ConfigFlags, configOf } from './command.js'

/** The target of a command's argument `DB_PATH or URL`. */
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
    hint: known.length
      ? `Name a configured database: ${known.join(', ')}.`
      : 'Add the database to the configuration file, which has none.',
  })
}

export async function resolveTarget(argument: string, flags: ConfigFlags): Promise<Target> {
  if (isUrl(argument)) {
    if (flags.config) {
      throw new LitestreamError('INVALID_ARGUMENT', 'cannot use -config with a replica URL', {
        hint: `Give the path of a configured database, or remove -config.`,
      })
    }
    return targetOfUrl(argument)
  }
  refuseNoUrl(argument)
  return targetOfDatabase(argument, findDatabase(await configFor(argument, flags), argument))
}

export function targetOfUrl(argument: string): Target {
  const url = secretUrl(argument)
  return { name: String(url), url, options: {} }
}

/** `name`: the argument that names the database. */
export function targetOfDatabase(name: string, database: DatabaseConfig): Target {
  const { replica, path } = database
  return { name, url: replica.url, options: clientOptions(replica, path), database }
}

/** `s3:/bucket/app.db` is not a path that a user would choose for a database. Throws INVALID_URL. */
export function refuseNoUrl(argument: string): void {
  const [, scheme] = /^([a-zA-Z][a-zA-Z0-9+.-]+):/.exec(argument) ?? []
  if (scheme === undefined || /^sqlite3?$/i.test(scheme)) return
  throw new LitestreamError('INVALID_URL', `${JSON.stringify(withoutSecrets(argument))} is not the URL of a replica`, {
    hint: urlHint(argument),
  })
}

/**
 * The configuration in which the database is looked up. An argument that is not a path may be a
 * mistyped URL.
 */
async function configFor(argument: string, flags: ConfigFlags): Promise<Config> {
  try {
    return await configOf(flags)
  } catch (error) {
    const isDefault = flags.config === undefined && process.env.LITESTREAM_CONFIG === undefined
    if (!isDefault || !isLitestreamError(error, 'NOT_FOUND', 'CONFIG_INVALID') || !isMissing(error)) throw error
    throw new LitestreamError(
      error.code,
      `${JSON.stringify(argument)} is not the URL of a replica, and ${error.message}`,
      {
        hint: `${urlHint(argument)} To name a database instead, give its configuration file with -config.`,
        cause: error,
      },
    )
  }
}

function isMissing({ message }: LitestreamError): boolean {
  return message.includes('not found')
}

/** The hint for text that a user has meant as a URL. */
export function urlHint(written: string): string {
  // Quotes of a file or a word processor, and spaces, that came with the URL.
  const argument = written.replace(/^[\s'"`“”‘’«»<]+|[\s'"`“”‘’«»>]+$/g, '')
  if (argument !== written && isUrl(argument)) {
    return `Remove the quotes or spaces around the URL: ${withoutSecrets(argument)}`
  }
  const colonless = /^(s3|gs|abs|oss|nats|sftp|webdavs?|file)\/\/+(.*)$/is.exec(argument)
  if (colonless) {
    const [, scheme = '', rest = ''] = colonless
    return `Write a colon after the scheme: ${scheme.toLowerCase()}://${withoutSecrets(rest)}`
  }
  const [, scheme, rest] = /^([a-zA-Z][a-zA-Z0-9+.-]+):\/*(.*)$/s.exec(argument) ?? []
  if (/^https?$/i.test(scheme ?? '')) {
    return `Write a bucket as s3://BUCKET/PATH?endpoint=${scheme}://HOST; leave the endpoint out for AWS.`
  }
  if (scheme !== undefined)
    return `Write two slashes after the scheme: ${scheme.toLowerCase()}://${withoutSecrets((rest ?? '').replace(/\\+/g, '/').replace(/^\/+/, ''))}`
  const isPath = argument.startsWith('/') || argument.startsWith('.')
  const inBucket = isPath ? 'bucket/app.db' : argument.includes('/') ? argument : `bucket/${argument}`
  return `Write a replica as a URL, such as s3://${inBucket} or file://${path.resolve(argument)}.`
}

/**
 * Opens the target of the argument, passes it to `use` and closes it afterwards. `overrides` take
 * precedence over the configuration.
 */
export async function withReplica<T>(
  argument: string,
  flags: ConfigFlags,
  use: (client: ReplicaClient, target: Target) => Promise<T>,
  overrides: OpenReplicaClientOptions = {},
): Promise<T> {
  const target = await resolveTarget(argument, flags)
  return withTarget(target, (client) => use(client, target), overrides)
}

/** Opens the replica, passes it to `use` and closes it afterwards. For `overrides` see withReplica. */
export async function withTarget<T>(
  target: Target,
  use: (client: ReplicaClient) => Promise<T>,
  overrides: OpenReplicaClientOptions = {},
): Promise<T> {
  const client = await openReplicaClient(target.url.reveal(), { ...target.options, ...overrides })
  try {
    return await use(client)
  } finally {
    await client.close()
  }
}
