import type { Command } from 'commander'
import { concealCommand } from '../../config/concealed.js'
import type { Config } from '../../config/types.js'
import { LitestreamError } from '../../errors.js'
import { reportOutagesTo } from '../../storage/outage.js'
import { isUrl, secretUrl } from '../../storage/url.js'
import { LOG_LEVELS, type LogLevel, tryParseLogLevel } from '../../util/log-level.js'
import { addConfigFlags, type ConfigFlags, configOf, createCommand } from '../command.js'
import { ExitStatus } from '../exit-status.js'
import { urlHint } from '../target.js'

export interface ReplicateFlags extends ConfigFlags {
  readonly exec?: string
  readonly logLevel?: string
  readonly restoreIfDbNotExists?: boolean
  readonly lease?: boolean
  readonly once?: boolean
  readonly forceSnapshot?: boolean
  readonly enforceRetention?: boolean
}

export function replicateCommand(): Command {
  const command = createCommand('replicate', {
    summary: 'Replicate databases continuously.',
    description:
      'Replicates the databases of the configuration file, or the database given as an argument, until the process is stopped. A replica, directory or listener that fails is retried and does not affect other databases. SIGINT and SIGTERM end the process after a last sync, which is retried for up to shutdown-sync-timeout. A second signal ends the process immediately. After SIGHUP, the process reads the configuration file again, as the command `reload` does. The exit status is 0 if every database is replicated. The exit status is 1 after an error, and if a database is not replicated: its last sync failed, its replica was never opened, another primary has taken over its replica, or a file in a directory cannot be read. With -exec, the exit status is that of the program if the program fails. With -once, the exit status is 1 if a database was not replicated; the log names this database.',
    examples: [
      ['replicate', 'replicate the databases of /etc/litestream.yml'],
      ['replicate app.db s3://bucket/app.db', 'replicate one database'],
      ['replicate -exec "node server.js" app.db s3://bucket/app.db', 'replicate while a program runs'],
      ['replicate -once app.db file:///var/backups/app.db', 'upload all commits, then exit'],
    ],
  })
  return addConfigFlags(command)
    .argument('[db]', 'path of a database')
    .argument('[url]', 'replica URL')
    .argument('[more...]')
    .option('--exec <command>', 'run a program; replication ends when the program ends')
    .option('--log-level <level>', `${LOG_LEVELS.join(', ')}; overrides LOG_LEVEL and the configuration file`)
    .option('--lease', 'write only while holding the lease of the replica, and stand by while another primary holds it')
    .option('--restore-if-db-not-exists', 'restore missing databases before replicating')
    .option('--once', 'sync once, wait for the upload, and exit')
    .option('--force-snapshot', 'with -once: also write a snapshot')
    .option('--enforce-retention', 'with -once: also delete files whose retention has expired')
    .action(async (db: string | undefined, url: string | undefined, more: string[], flags: ReplicateFlags) => {
      const config = await configFor(db, url, more, flags)
      const { createLogger } = await import('../../util/logger.js')
      const logger = createLogger({ ...config.logging, level: logLevel(config, flags) })
      const { logOutage } = await import('../daemon/outage-log.js')
      reportOutagesTo((outage) => logOutage(logger, outage))
      const status = flags.once
        ? await (await import('../daemon/once.js')).replicateOnceAll(config, logger, flags)
        : await (await import('../run-daemon.js')).runDaemon(config, logger, await rereadFor(config, flags))
      if (status !== 0) throw new ExitStatus(status)
    })
}

async function configFor(
  db: string | undefined,
  url: string | undefined,
  more: readonly string[],
  flags: ReplicateFlags,
): Promise<Config> {
  const wrong = (message: string, hint: string) => new LitestreamError('INVALID_ARGUMENT', message, { hint })
  for (const [flag, name] of [
    [flags.forceSnapshot, '-force-snapshot'],
    [flags.enforceRetention, '-enforce-retention'],
  ] as const) {
    if (flag && !flags.once) throw wrong(`${name} requires -once`, `Add -once, or remove ${name}.`)
  }
  if (flags.once && flags.exec) throw wrong('cannot use -once with -exec', 'Remove -once or -exec.')
  let config: Config
  if (db === undefined) config = await configOf(flags)
  else {
    if (flags.config)
      throw wrong(
        'cannot specify a replica URL and a config file',
        'Give either -config, or a database and a replica URL.',
      )
    if (isConfigFile(db) && (url === undefined || !isUrl(url)))
      throw wrong(
        `${db} is not a database`,
        `Name a configuration file with -config: litestream-ts replicate -config ${db}`,
      )
    if (url === undefined)
      throw wrong(
        `must specify at least one replica URL for ${db}`,
        `Run litestream-ts replicate ${db} file:///var/backups/${db.replace(/^.*\//, '')}, or name another replica URL.`,
      )
    if (isUrl(db) && !isUrl(url)) {
      throw wrong(
        'the URL of the replica comes after the database',
        `Run litestream-ts replicate ${url} ${String(secretUrl(db))}.`,
      )
    }
    if (db === 'config' && isConfigFile(url))
      throw wrong('config is not a database', `Run litestream-ts replicate -config ${url}.`)
    if (!isUrl(url) || /^https?:/i.test(url)) throw wrong(`not a replica URL: ${JSON.stringify(url)}`, urlHint(url))
    if (more.length > 0) {
      throw wrong(
        'multiple replicas on a single database are no longer supported',
        'Give one replica URL. For a second copy, use `litestream-ts mirror` or replicate from a second process.',
      )
    }
    const { configFromArguments } = await import('../../config/from-arguments.js')
    config = configFromArguments(db, url)
  }
  if (flags.once && config.exec) {
    throw wrong(
      'cannot use -once with `exec` of the configuration file',
      'Remove -once, or use a configuration without `exec`: with -once, no program is started.',
    )
  }
  return withFlags(config, flags)
}

function isConfigFile(argument: string): boolean {
  return /\.(ya?ml|json)$/i.test(argument)
}

/**
 * Applies the flags of the `replicate` command to the configuration `given`. The flags take
 * precedence over the configuration file.
 */
function withFlags(given: Config, flags: ReplicateFlags): Config {
  let config = given
  if (flags.exec) config = { ...config, exec: concealCommand(flags.exec) }
  if (flags.lease) {
    config = { ...config, databases: config.databases.map((database) => ({ ...database, lease: true })) }
  }
  if (flags.restoreIfDbNotExists) {
    config = { ...config, databases: config.databases.map((database) => ({ ...database, restoreIfDbNotExists: true })) }
  }
  return config
}

/**
 * Returns a function that reads the configuration file again after a change. Returns undefined if
 * the configuration was read from standard input or if no configuration file exists.
 */
async function rereadFor({ file }: Config, flags: ReplicateFlags): Promise<(() => Config) | undefined> {
  if (file === undefined || flags.config === '-') return undefined
  const { loadConfig } = await import('../../config/load.js')
  return () => withFlags(loadConfig({ path: file, expandEnv: flags.expandEnv }), flags)
}

function logLevel(config: Config, flags: ReplicateFlags): LogLevel {
  const text = flags.logLevel ?? process.env.LOG_LEVEL
  if (!text) return config.logging.level
  const level = tryParseLogLevel(text)
  if (level) return level
  throw new LitestreamError('INVALID_ARGUMENT', `invalid log level: ${JSON.stringify(text)}`, {
    hint: `Use one of ${LOG_LEVELS.join(', ')}.`,
  })
}
