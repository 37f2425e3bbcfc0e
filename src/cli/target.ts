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

/** The replica that a command's argument selects by database path or URL. */
export interface Target {
  /** The argument of the command, with the secrets of a URL masked. */
  readonly name: string
  readonly url: Secret
  readonly options: OpenReplicaClientOptions
  /** The configured database, or undefined if the argument was a URL. */
  readonly database?: DatabaseConfig
}

/**
 * Returns the configured database with the path `written`. Throws NOT_FOUND if the configuration
 * has no such database.
 */
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
      : 'Add the database to the configuration file, which contains no database yet.',
  })
}

export async function resolveTarget(argument: string, flags: ConfigFlags): Promise<Target> {
  if (isUrl(argument)) {
    if (flags.config) {
      throw new LitestreamError('INVALID_ARGUMENT', 'cannot use -config with a replica URL', {
        hint: 'Remove -config to use a replica URL, or keep -config and give the path of a configured database.',
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

/** `name` is the argument that selects the database. */
export function targetOfDatabase(name: string, database: DatabaseConfig): Target {
  const { replica, path } = database
  return { name, url: replica.url, options: clientOptions(replica, path), database }
}

/**
 * Throws INVALID_URL if the argument looks like a mistyped URL, such as `s3:/bucket/app.db`, rather
 * than a path.
 */
export function refuseNoUrl(argument: string): void {
  const [, scheme] = /^([a-zA-Z][a-zA-Z0-9+.-]+):/.exec(argument) ?? []
  if (scheme === undefined || /^sqlite3?$/i.test(scheme)) return
  throw new LitestreamError('INVALID_URL', `${JSON.stringify(withoutSecrets(argument))} is not the URL of a replica`, {
    hint: urlHint(argument),
  })
}

/**
 * Reads the configuration. If the configuration file is missing, the error message also says that
 * the argument may be a mistyped URL.
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

/** Returns a hint for text that the user probably meant as a URL. */
export function urlHint(written: string): string {
  // Removes quotes and spaces that a user may have copied together with the URL.
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
 * Opens the replica that the argument selects, calls `use` with its client, and closes the replica
 * afterwards. The options in `overrides` take precedence over the configuration.
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

/**
 * Opens the replica of a target, calls `use` with its client, and closes the replica afterwards.
 * The options in `overrides` take precedence over those of the target.
 */
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
