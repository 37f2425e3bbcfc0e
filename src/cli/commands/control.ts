import type { Command } from 'commander'
import { expandPath } from '../../config/expand-path.js'
import { MAX_DELAY_MS } from '../../util/timers.js'
import { createCommand } from '../command.js'
import { addControlFlags, type ControlFlags, callControl, socketOf } from '../control-client.js'
import { ExitStatus } from '../exit-status.js'
import { formatTime, print, printBlock, printError, printJson } from '../output.js'

type Answer = Readonly<Record<string, string | number>>

/**
 * The time limit in milliseconds that `-timeout 0` means. LONGEST_MS is a multiple of 1000, because
 * Litestream's control socket accepts only whole seconds.
 */
const LONGEST_MS = Math.floor(MAX_DELAY_MS / 1000 - 2) * 1000

/**
 * Prints a response of the control socket with the field names of Litestream's commands. The
 * control socket of litestream-ts sends both `path` and `db_path`, and the control socket of
 * Litestream sends only `path`.
 */
function show({ path, replicated_txid, ...fields }: Answer, json: boolean | undefined): void {
  const { status, ...rest } = fields
  const answer: Answer = {
    ...(status === undefined ? {} : { status }),
    ...(path === undefined ? {} : { db_path: path }),
    ...rest,
    ...(replicated_txid === undefined ? {} : { replica_txid: replicated_txid }),
  }
  const { txid, ...others } = answer
  const printed = answer.final_txid === undefined ? answer : others
  if (json) printJson(printed)
  else printBlock(printed)
}

// The commands in this file send requests to a running process. The commands are idempotent. If the
// database is already in the requested state, a command prints this state and exits with status 0.

export function startCommand(): Command {
  const command = createCommand('start', {
    summary: 'Start replicating a stopped database, in a running process.',
    description: 'Starts the replication of a database that `stop` has stopped in the running process.',
    examples: [
      ['start /var/lib/app.db', '{"status": "started" or "already_running", "db_path", "state", "txid", "socket"}'],
    ],
  })
  return addControlFlags(command.argument('<db>', 'path of the database'), 30, LONGEST_MS).action(
    async (db: string, flags: ControlFlags) => {
      show(await callControl(flags, 'POST', '/start', { path: expandPath(db) }), flags.json)
    },
  )
}

export function stopCommand(): Command {
  const command = createCommand('stop', {
    summary: 'Stop replicating a database, in a running process.',
    description:
      'Syncs a database once more and stops its replication until `start`. The process continues to replicate the other databases.',
    examples: [
      [
        'stop -timeout 60 /var/lib/app.db',
        '{"status": "stopped" or "already_stopped", "db_path", "state", "txid", "socket"}',
      ],
    ],
  })
  return addControlFlags(command.argument('<db>', 'path of the database'), 30, 30_000).action(
    async (db: string, flags: ControlFlags) => {
      show(await callControl(flags, 'POST', '/stop', { path: expandPath(db) }), flags.json)
    },
  )
}

export function syncCommand(): Command {
  const command = createCommand('sync', {
    summary: 'Sync a database now, in a running process.',
    description:
      'Writes all current commits to L0 files. With -wait, the command returns when these commits are in the replica.',
    examples: [
      [
        'sync -wait /var/lib/app.db',
        '{"status": "synced", "synced_local" or "no_change", "db_path", "txid", "replica_txid", "duration_ms"}',
      ],
    ],
  })
  return addControlFlags(command.argument('<db>', 'path of the database'))
    .option('--wait', 'wait until the commits are in the replica')
    .action(async (db: string, flags: ControlFlags & { readonly wait?: boolean }) => {
      show(await callControl(flags, 'POST', '/sync', { path: expandPath(db), wait: flags.wait === true }), flags.json)
    })
}

export function registerCommand(): Command {
  const command = createCommand('register', {
    summary: 'Add a database to a running process.',
    description:
      'Starts replicating a database with default settings. The replication ends with the process, or with `unregister`. The configuration file is not changed.',
    examples: [
      [
        'register -replica s3://bucket/new.db /var/lib/new.db',
        '{"status": "registered" or "already_registered", "db_path", "replica", "socket"}',
      ],
    ],
  })
  return addControlFlags(command.argument('<db>', 'path of the database'))
    .requiredOption('--replica <url>', 'replica URL')
    .action(async (db: string, flags: ControlFlags & { readonly replica: string }) => {
      const body = { path: expandPath(db), replica_url: flags.replica }
      show(await callControl(flags, 'POST', '/register', body), flags.json)
    })
}

export function unregisterCommand(): Command {
  const command = createCommand('unregister', {
    summary: 'Remove a database from a running process.',
    description:
      'Syncs a database once more and removes the database from the process. The replica of the database is not changed.',
    examples: [
      [
        'unregister /var/lib/app.db',
        '{"status": "unregistered" or "already_unregistered", "db_path", "final_txid", "socket"}',
      ],
      ['unregister -dry-run /var/lib/app.db', 'only report whether the database is registered'],
    ],
  })
  return addControlFlags(command.argument('<db>', 'path of the database'))
    .option('--dry-run', 'report the status, but change nothing')
    .action(async (db: string, flags: ControlFlags & { readonly dryRun?: boolean }) => {
      const file = expandPath(db)
      if (!flags.dryRun) {
        const { txid = 0, ...answer } = await callControl<Answer>(flags, 'POST', '/unregister', { path: file })
        return show({ final_txid: txid, ...answer }, flags.json)
      }
      const { databases } = await callControl<Listing>(flags, 'GET', '/list')
      const status = databases.some(({ path }) => path === file) ? 'would_unregister' : 'already_unregistered'
      show({ status, db_path: file, socket: await socketOf(flags) }, flags.json)
    })
}

interface Listing {
  readonly databases: readonly { readonly path: string; readonly status: string; readonly last_sync_at?: string }[]
}

export function listCommand(): Command {
  const command = createCommand('list', {
    summary: 'List the databases of a running process.',
    description:
      'Lists the databases of a running process: replicating, open (waiting for the file), stopped or fenced.',
    examples: [['list -json', '{"databases": [{"path", "status", "last_sync_at"}]}']],
  })
  return addControlFlags(command, 10).action(async (flags: ControlFlags) => {
    const listing = await callControl<Listing>(flags, 'GET', '/list')
    if (flags.json) return printJson(listing)
    if (listing.databases.length === 0) print('No databases configured')
    for (const { path, status, last_sync_at } of listing.databases) {
      print(`${path} [${status}]${last_sync_at ? ` (last sync: ${formatTime(Date.parse(last_sync_at))})` : ''}`)
    }
  })
}

export function infoCommand(): Command {
  const command = createCommand('info', {
    summary: 'Show version, process id and uptime of a running process.',
    description: 'Shows the version, process id, uptime and number of databases of a running process.',
    examples: [['info -json', '{"version", "pid", "uptime_seconds", "started_at", "database_count"}']],
  })
  return addControlFlags(command, 10).action(async (flags: ControlFlags) => {
    show(await callControl(flags, 'GET', '/info'), flags.json)
  })
}

interface Reloaded {
  readonly added: readonly string[]
  readonly removed: readonly string[]
  readonly changed: readonly string[]
  readonly unchanged: readonly string[]
  readonly needs_restart: readonly string[]
  readonly errors: readonly { readonly path: string; readonly error: string; readonly hint: string }[]
}

export function reloadCommand(): Command {
  const command = createCommand('reload', {
    summary: 'Apply the changed configuration file, in a running process.',
    description:
      'The running process reads its configuration file again. The process starts added databases, removes deleted databases after a last sync, and restarts changed databases. Other databases keep running. A changed setting that applies to every database (levels, snapshot, retention) restarts every database. The settings listed as needs_restart keep their old value until the process is restarted. An invalid file changes nothing. The exit status is 1 if the file is invalid or a database failed.',
    examples: [
      ['reload -json', '{"added", "removed", "changed", "unchanged", "needs_restart", "errors"}'],
      ['reload -socket /run/app/control.sock', 'reload the process that listens on this socket'],
    ],
  })
  return addControlFlags(command, 120).action(async (flags: ControlFlags) => {
    const result = await callControl<Reloaded>(flags, 'POST', '/reload', {})
    if (flags.json) printJson(result)
    else {
      const { added, removed, changed, unchanged, needs_restart } = result
      const lists = { added, removed, changed, needs_restart }
      const shown = Object.entries(lists).map(([key, names]) => [key, names.join(', ') || 'none'])
      printBlock({ ...Object.fromEntries(shown), unchanged: unchanged.length })
      for (const { path, error, hint } of result.errors) {
        printError(`Error: ${path}: ${error}`)
        printError(`Try: ${hint}`)
      }
    }
    if (result.errors.length > 0) throw new ExitStatus(1)
  })
}
