import { LitestreamError } from '../../errors.js'
import type { IntegrityCheck } from '../../integrity/report.js'
import { formatTxid } from '../../ltx/txid.js'
import { isUrl } from '../../storage/url.js'
import { formatDuration } from '../../util/duration.js'
import { formatBytes } from '../../util/format-bytes.js'
import { type ConfigFlags, configOf } from '../command.js'
import { ExitStatus } from '../exit-status.js'
import { print, printError, printJson, printTable, warn } from '../output.js'
import { abortOnSignals } from '../signals.js'
import { urlHint } from '../target.js'
import { type FoundReplicas, replicasOfConfig, replicasOfPrefix } from './find-replicas.js'
import { type RestoreOutcome, restoreAll } from './restore-all.js'

/** The flags of `restore` that `restore -all` accepts. */
export interface RestoreAllFlags extends ConfigFlags {
  readonly o?: string
  readonly txid?: number
  readonly f?: boolean
  readonly timestamp?: number
  readonly ifReplicaExists?: boolean
  readonly dryRun?: boolean
  readonly force?: boolean
  readonly json?: boolean
  readonly parallelism?: number
  readonly integrityCheck?: IntegrityCheck
}

/**
 * Runs `restore -all`, which restores the databases of the configuration, or every replica below a
 * URL prefix. Prints one report. Sets exit status 1 if a restore failed.
 */
export async function runRestoreAll(argument: string | undefined, flags: RestoreAllFlags): Promise<void> {
  checkFlags(argument, flags)
  const { timestamp, force, ifReplicaExists, integrityCheck, dryRun, parallelism = 8 } = flags
  const outcomes = await abortOnSignals(async (signal) => {
    const found = await find(argument, flags, signal)
    const options = { timestamp, force, ifReplicaExists, integrityCheck, dryRun, parallelism, signal }
    const failed = found.faults.map(
      ({ output = '', ...fault }): RestoreOutcome => ({ ...fault, output, status: 'failed' }),
    )
    return [...failed, ...(await restoreAll(found.tasks, options))]
  })
  if (flags.json) printJson(outcomes.map(outcomeJson))
  else report(outcomes)
  if (outcomes.some(({ status }) => status === 'failed')) throw new ExitStatus(1)
}

async function find(argument: string | undefined, flags: RestoreAllFlags, signal: AbortSignal): Promise<FoundReplicas> {
  return argument === undefined
    ? replicasOfConfig(await configOf(flags), signal)
    : replicasOfPrefix(argument, flags.o!, signal)
}

/** Throws INVALID_ARGUMENT or INVALID_URL if the argument and the flags contradict each other. */
function checkFlags(argument: string | undefined, flags: RestoreAllFlags): void {
  const wrong = (message: string, hint: string) => new LitestreamError('INVALID_ARGUMENT', message, { hint })
  if (flags.txid !== undefined)
    throw wrong(
      'cannot use -all with -txid',
      'Remove -txid, because each database has TXIDs of its own. Use -timestamp instead.',
    )
  if (flags.f) throw wrong('cannot use -all with -f', 'Remove -f, and run one `restore -f` for each database.')
  if (argument === undefined) {
    if (flags.o === undefined) return
    throw wrong(
      '-all with -o requires the URL of the folder that contains the replicas',
      'Write `restore -all -o DIR URL`, or remove -o.',
    )
  }
  if (!isUrl(argument)) {
    throw new LitestreamError('INVALID_URL', `${JSON.stringify(argument)} is not a URL`, {
      hint: `${urlHint(argument)} To restore one database, remove -all.`,
    })
  }
  if (flags.o === undefined)
    throw wrong('output folder required', 'Give the folder for the restored databases with -o.')
  if (flags.config)
    throw wrong('cannot use -config with a replica URL', 'Remove the URL and -o to restore the configured databases.')
}

const STATUS: Readonly<Record<RestoreOutcome['status'], string>> = {
  restored: 'restored',
  planned: 'planned',
  'output-exists': 'exists',
  'no-replica': 'no replica',
  failed: 'failed',
}

function report(outcomes: readonly RestoreOutcome[]): void {
  for (const { result } of outcomes) for (const warning of result?.warnings ?? []) warn(warning)
  if (outcomes.length === 0) {
    print('the configuration has no databases, and its directories have no replicas')
    return
  }
  const counts = new Map<RestoreOutcome['status'], number>()
  const rows = outcomes.map(({ source, output, status, result }) => {
    counts.set(status, (counts.get(status) ?? 0) + 1)
    const done = status === 'restored' || status === 'planned'
    const { txid = 0, bytes = 0, durationMs = 0 } = result ?? {}
    return [
      STATUS[status],
      output || '-',
      done ? formatTxid(txid) : '-',
      status === 'restored' ? formatBytes(bytes) : '-',
      status === 'restored' ? formatDuration(durationMs) : '-',
      source,
    ]
  })
  printTable(['status', 'database', 'txid', 'size', 'duration', 'replica'], rows)
  const total = [...counts].map(([status, count]) => `${count} ${STATUS[status]}`)
  print(total.join(', '))
  for (const { error } of outcomes) {
    if (!error) continue
    printError(`Error: ${error.message}`)
    printError(`Try: ${error.hint}`)
  }
}

function outcomeJson({ source, output, status, result, error }: RestoreOutcome) {
  const done = status === 'restored' || status === 'planned'
  return {
    db_path: output || null,
    source,
    status,
    ...(result && done
      ? {
          txid: formatTxid(result.txid),
          bytes: result.bytes,
          duration_ms: result.durationMs,
          integrity: result.integrity?.outcome ?? null,
          warnings: result.warnings,
        }
      : {}),
    ...(error ? { error: { code: error.code, message: error.message, hint: error.hint } } : {}),
  }
}
