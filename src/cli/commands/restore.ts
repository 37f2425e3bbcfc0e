import { type Command, Option } from 'commander'
import { expandPath } from '../../config/expand-path.js'
import { LitestreamError, toLitestreamError } from '../../errors.js'
import type { IntegrityCheck } from '../../integrity/report.js'
import { formatTxid } from '../../ltx/txid.js'
import { restore } from '../../restore/restore.js'
import type { RestoreProgress, RestoreResult } from '../../restore/restore-options.js'
import { isUrl, secretUrl } from '../../storage/url.js'
import { formatBytes } from '../../util/format-bytes.js'
import { addConfigFlags, type ConfigFlags, createCommand } from '../command.js'
import { countFlag, durationFlag, timeOf, timestampFlag, txidFlag } from '../flag-values.js'
import { FILE_COLUMNS, fileRow } from '../ltx-listing.js'
import { print, printBlock, printError, printJson, printJsonLine, printTable, warn } from '../output.js'
import { createProgress } from '../progress-bar.js'
import { existingJson, existingText, type RestoredReplica, restoreJson, restoreText } from '../restore-report.js'
import { abortOnSignals } from '../signals.js'
import { type Target, withReplica } from '../target.js'

interface RestoreFlags extends ConfigFlags {
  readonly o?: string
  readonly txid?: number
  readonly timestamp?: number | string
  readonly ifDbNotExists?: boolean
  readonly ifReplicaExists?: boolean
  readonly dryRun?: boolean
  readonly force?: boolean
  readonly json?: boolean
  readonly parallelism?: number
  readonly integrityCheck?: IntegrityCheck
  readonly f?: boolean
  readonly followInterval: number
  readonly all?: boolean
}

export function restoreCommand(): Command {
  const command = createCommand('restore', {
    summary: 'Restore a database from its replica.',
    description:
      "Restores a database to its newest state, to a TXID or to a time. The restore writes a temporary file, and renames this file to the output when it is complete, checked and on disk. A failed restore leaves no file at the output. An existing database is replaced only with -force; the restored database then gets the owner and mode of the replaced database. A checksum of the replica that does not match is always an error. A fault that only SQLite's check finds is a warning. With -integrity-check, such a fault is an error, and the restored database is kept beside the output. With -all, the command restores every database of the configuration whose file is missing. The databases of a `dir:` entry are found by listing its replicas in the store. With -all, -o and a URL, the command restores every replica below the URL to its relative path below the output folder. With -all, a failed restore does not stop the other restores, and the exit status is then 1.",
    examples: [
      ['restore -o app.db s3://bucket/app.db', 'restore the newest state of a replica'],
      ['restore /var/lib/app.db', 'restore a configured database to its own path'],
      ['restore -timestamp 2026-01-31T15:04:05Z -o old.db s3://bucket/app.db', 'restore the state at a time'],
      ['restore -dry-run -o app.db s3://bucket/app.db', 'print the files that a restore would read'],
      ['restore -all', 'restore every missing database of the configuration'],
      ['restore -all -o restored s3://bucket/backups', 'restore every replica below a prefix'],
      ['restore -f -o copy.db s3://bucket/app.db', 'restore a copy and keep the copy up to date'],
    ],
  })
  return addConfigFlags(command)
    .argument('[db-or-url]', 'path of a configured database, or replica URL; required without -all')
    .option(
      '-o <file>',
      'path of the output (default: the path of the configured database); with -all, the folder of the outputs',
    )
    .option(
      '--all',
      'restore every configured database whose file is missing; with -force, also every existing database',
    )
    .option('--txid <txid>', 'restore to this TXID, 16 hex digits', txidFlag)
    .option(
      '--timestamp <time>',
      'restore to the last state before this time (RFC 3339, or words such as "5 minutes ago")',
      timestampFlag,
    )
    .option(
      '--if-db-not-exists',
      'exit with status 0 and do nothing if the output exists; if another process restores to the output, wait for that process',
    )
    .option('--if-replica-exists', 'exit with status 0 and do nothing if the replica has no files')
    .option('--dry-run', 'print the files that a restore would read, and write nothing')
    .option('--force', 'replace an existing database, and delete the -wal or -journal file beside it')
    .option(
      '--parallelism <n>',
      'number of parallel requests; with -all, number of databases restored in parallel',
      countFlag,
      8,
    )
    .addOption(
      new Option(
        '--integrity-check <mode>',
        'run this check of SQLite on the restored database, and fail if it finds a fault (without this flag: run quick, and only warn)',
      ).choices(['none', 'quick', 'full']),
    )
    .option('-f', 'follow: restore, then keep the database up to date with the replica until a signal arrives')
    .addOption(
      new Option('--follow-interval <duration>', 'with -f: interval between two polls of the replica')
        .argParser(durationFlag)
        .default(1000, '1s'),
    )
    .option('--json', 'print JSON')
    .action(async (given: string | undefined, flags: RestoreFlags) => {
      if (flags.all) {
        const { runRestoreAll } = await import('../restore-all/run.js')
        return runRestoreAll(given, { ...flags, timestamp: await timeOf(flags.timestamp) })
      }
      const argument = required(given)
      if (flags.o !== undefined) refuseUrlAsOutput(flags.o)
      if (flags.f) return followReplica(argument, flags)
      const timestamp = await timeOf(flags.timestamp)
      await withReplica(argument, flags, async (client, target) => {
        const output = outputOf(target, flags.o)
        const progress = await createProgress('restore', !flags.json)
        const onProgress = (step: RestoreProgress) => {
          if (step.phase === 'pages') progress.update(step.written, step.total)
          if (step.phase === 'wait') warn(`another process restores to ${output}: waiting until this restore has ended`)
        }
        try {
          const { txid, ifDbNotExists, ifReplicaExists, dryRun, force, parallelism, integrityCheck } = flags
          const result = await abortOnSignals((signal) =>
            restore(client, {
              output,
              txid,
              timestamp,
              ifDbNotExists,
              ifReplicaExists,
              dryRun,
              force,
              parallelism,
              integrityCheck,
              onProgress,
              signal,
            }),
          )
          progress.stop()
          for (const warning of result.warnings) warn(warning)
          printResult(result, { replica: client.type, url: client.url, source: target.name }, flags.json === true)
        } finally {
          progress.stop()
        }
      })
    })
}

/** Throws if `output` is a URL. A restore to a URL would otherwise create a folder named `s3:`. */
function refuseUrlAsOutput(output: string): void {
  if (!isUrl(output)) return
  const shown = String(secretUrl(output))
  throw new LitestreamError('INVALID_ARGUMENT', `the output must be a file, not the URL ${shown}`, {
    hint: 'Give the output file with -o, and give the replica URL as the argument: litestream-ts restore -o app.db URL.',
  })
}

function required(argument: string | undefined): string {
  if (argument !== undefined) return argument
  throw new LitestreamError('INVALID_ARGUMENT', "missing required argument 'db-or-url'", {
    hint: 'Give the path of a configured database or a replica URL as the argument, or restore every missing database with -all.',
  })
}

/**
 * Keeps a local database up to date with its replica until the process receives a signal. The
 * process then exits with status 0.
 */
async function followReplica(argument: string, flags: RestoreFlags): Promise<void> {
  for (const name of ['txid', 'timestamp', 'dryRun'] as const) {
    if (flags[name] === undefined) continue
    const flag = name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
    throw new LitestreamError('INVALID_ARGUMENT', `cannot use -f with -${flag}`, {
      hint: `Remove -${flag}: -f always follows the newest state of the replica.`,
    })
  }
  await withReplica(argument, flags, async (client, target) => {
    const output = outputOf(target, flags.o)
    const { outputExists } = await import('../../restore/output.js')
    if (flags.ifDbNotExists && (await outputExists(output))) {
      return printExisting(output, client.type, flags.json)
    }
    const progress = await createProgress('restore', !flags.json)
    const say = (event: string, fields: object, text: string) =>
      flags.json ? printJsonLine({ event, db_path: output, ...fields }) : print(text)
    const { follow } = await import('../../restore/follow.js')
    await abortOnSignals((signal) =>
      follow(client, {
        output,
        signal,
        force: flags.force,
        parallelism: flags.parallelism,
        integrityCheck: flags.integrityCheck,
        interval: flags.followInterval,
        onProgress: (step) => {
          if (step.phase === 'pages') progress.update(step.written, step.total)
        },
        onAdvance: ({ txid, files }) => {
          progress.stop()
          say('advance', { txid: formatTxid(txid), files }, `${output} is at TXID ${formatTxid(txid)}`)
        },
        onWarning: (warning) => {
          progress.stop()
          warn(warning)
        },
        onError: (error) => {
          printError(`Error: ${toLitestreamError(error).message} (retried automatically)`)
        },
      }),
    )
    progress.stop()
  })
}

/** Returns the path to which the database is restored. */
export function outputOf({ database }: Target, flag: string | undefined): string {
  if (flag !== undefined) return expandPath(flag)
  if (database) return database.path
  throw new LitestreamError('INVALID_ARGUMENT', 'output path required', {
    hint: 'Give the path of the restored database with -o.',
  })
}

function printExisting(output: string, type: string, json = false): void {
  if (json) printJson(existingJson(output, type))
  else print(existingText(output))
}

function printResult(result: RestoreResult, of: RestoredReplica, json: boolean): void {
  if (json) printJson(restoreJson(result, of))
  else if (result.status === 'planned' && !result.legacy) printPlan(result, of.source)
  else print(restoreText(result, of.url))
}

function printPlan({ dbPath, plan }: RestoreResult, source: string): void {
  printBlock({
    source,
    target: dbPath,
    txid: formatTxid(plan.at(-1)!.maxTxid),
    read: formatBytes(plan.reduce((sum, f) => sum + f.size, 0)),
  })
  print('')
  printTable(FILE_COLUMNS, plan.map(fileRow))
}
