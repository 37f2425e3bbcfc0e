import type { Command } from 'commander'
import { findDatabases } from '../../config/directories.js'
import type { DatabaseConfig } from '../../config/types.js'
import type { DatabaseFault } from '../../status/document.js'
import { databaseVerdict, type Verdict } from '../../status/verdict.js'
import { addConfigFlags, type ConfigFlags, configOf, createCommand } from '../command.js'
import { type DatabaseStatusReport, reportStatus, statusRemarks, statusTable } from '../database-status.js'
import { ExitStatus } from '../exit-status.js'
import { print, printError, printJson, printTable } from '../output.js'
import { askProcess, type ProcessHealth } from '../process-health.js'
import { findDatabase } from '../target.js'

interface StatusFlags extends ConfigFlags {
  readonly json?: boolean
  readonly local?: boolean
}

export function statusCommand(): Command {
  const command = createCommand('status', {
    summary: 'Show the replication status of each database.',
    description:
      'Shows the status of the configured databases: the last local TXID and the last TXID in the replica, the age of the oldest commit that is not in the replica, the size of the WAL and the number of files of each level. The command reads local files and lists the replica, and needs no running process. The status is ok, not initialized (never replicated from this machine), no database, or error. If a process runs with this configuration and has a control socket or an HTTP address, the command also prints the faults of databases, listeners, directories and files that the process reports. The exit status is 0 if every database is ok by the rule of /healthz, otherwise 1.',
    examples: [
      ['status', 'show all databases of /etc/litestream.yml'],
      ['status -local -config litestream.yml', 'show the databases without listing the replicas'],
      [
        'status -json /var/lib/app.db',
        '[{"database", "status", "local_txid", "wal_size", "wal_bytes", "remote_txid", "lag_seconds", "levels"}]',
      ],
    ],
  })
  return addConfigFlags(command)
    .argument('[db]', 'path of a configured database (default: all configured databases)')
    .option('--local', 'do not list the replicas')
    .option('--json', 'print JSON')
    .action(async (db: string | undefined, flags: StatusFlags) => {
      const config = await configOf(flags)
      const { databases, faults } =
        db === undefined ? findDatabases(config) : { databases: [findDatabase(config, db)], faults: [] }
      const [all, asked] = await Promise.all([
        Promise.all(databases.map((database) => reportStatus(database, flags.local === true))),
        askProcess(config),
      ])
      if (flags.json) printJson(all)
      else printStatus(all)
      const show = flags.json ? printError : print
      for (const { path: at, error } of faults) show(`${at}: ${error.message}`)
      const isWell = showProcess(asked, db === undefined ? undefined : databases[0]!.path, show)
      if (!isWell || faults.length > 0 || all.some((status, i) => !verdictOf(status, databases[i]!).ok))
        throw new ExitStatus(1)
    })
}

function printStatus(all: readonly DatabaseStatusReport[]): void {
  printTable(...statusTable(all))
  for (const line of statusRemarks(all)) {
    print('')
    print(line)
  }
}

/**
 * Computes the verdict that /healthz would give for one database. Uses only the local files and the
 * listing of the replica.
 */
function verdictOf(
  { database, status, lag_seconds, error, error_code: code = 'INTERNAL', divergence }: DatabaseStatusReport,
  { allowMissing }: Pick<DatabaseConfig, 'allowMissing'>,
): Verdict {
  const fault: DatabaseFault | undefined = error
    ? { operation: 'open', message: error, code, hint: undefined, since: 0, ageMs: 0, retried: false }
    : undefined
  return databaseVerdict({
    path: database,
    state: 'replicating',
    lagMs: (lag_seconds ?? 0) * 1000,
    missingMs: status === 'no database' && !allowMissing ? Number.POSITIVE_INFINITY : undefined,
    error: fault,
    divergence,
  })
}

/**
 * Prints the faults that the running process reports, for the database `only` or for all databases.
 * Returns true if the process reports no fault.
 */
function showProcess(
  { health, silent }: ProcessHealth,
  only: string | undefined,
  show: (line: string) => void,
): boolean {
  for (const line of silent) show(line)
  const databases = health?.databases.filter(({ path: at, ok }) => !ok && (only === undefined || at === only)) ?? []
  for (const { path: at, state, reason } of databases) show(`${at} [${state}]: ${reason}`)
  for (const { path: at, weak_fencing: weak } of health?.databases ?? []) {
    if (weak && (only === undefined || at === only)) show(`${at}: weaker fencing: ${weak}`)
  }
  const parts = only === undefined ? (health?.parts ?? []) : []
  for (const { part, name, error } of parts) show(`${part} ${name}: ${error}`)
  return databases.length === 0 && parts.every(({ ok }) => ok)
}
