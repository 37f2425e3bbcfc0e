import { type Command, Option } from 'commander'
import { selfContainedUrl } from '../../config/self-contained-url.js'
import { type ErrorCode, LitestreamError } from '../../errors.js'
import type { Replica } from '../../replica/handle/open-replica.js'
import type { Connection } from '../../sqlite/connection.js'
import { sqliteCode } from '../../sqlite/sqlite-error.js'
import { addConfigFlags, type ConfigFlags, createCommand } from '../command.js'
import { timeOf, timestampFlag } from '../flag-values.js'
import { printData, printJson, printTable } from '../output.js'
import { resolveTarget } from '../target.js'

interface QueryFlags extends ConfigFlags {
  readonly format?: 'table' | 'json' | 'csv'
  readonly json?: boolean
  readonly csv?: boolean
  readonly timestamp?: number | string
}

export function queryCommand(): Command {
  const command = createCommand('query', {
    summary: 'Run one SQL statement on a replica.',
    description:
      'Opens a replica through the VFS, fetches the pages that the statement needs, and prints its rows. The command does not write to the replica. The table shows control characters of the data as escapes (\\n, \\x1b). -json prints a list of objects, with BLOBs in hex, and with integers beyond 2^53 and infinite numbers as text. -csv prints the data unchanged to a file or pipe, and with escaped control characters to a terminal.',
    examples: [
      ["query s3://bucket/app.db 'SELECT count(*) FROM users'", 'print the rows as a table'],
      ["query -csv s3://bucket/app.db 'SELECT * FROM users' > users.csv", 'print the rows as CSV'],
      ["query -timestamp 2026-01-31T15:04:05Z s3://bucket/app.db 'SELECT * FROM users'", 'read the state at a time'],
    ],
  })
  return addConfigFlags(command)
    .argument('<db-or-url>', 'path of a configured database, or replica URL')
    .argument('<sql>', 'one SELECT statement')
    .addOption(
      new Option('--format <format>', 'output format of the rows').choices(['table', 'json', 'csv']).default('table'),
    )
    .option('--json', 'the same as -format json')
    .option('--csv', 'the same as -format csv')
    .option(
      '--timestamp <time>',
      'read the last state before this time (RFC 3339, or words such as "5 minutes ago")',
      timestampFlag,
    )
    .action(async (argument: string, sql: string, flags: QueryFlags) => {
      const target = await resolveTarget(argument, flags)
      const timestamp = await timeOf(flags.timestamp)
      const url = target.database ? selfContainedUrl(target.database.replica) : target.url
      const { openReplica } = await import('../../replica/handle/open-replica.js')
      const { openConnection } = await import('../../replica/handle/drivers.js')
      const replica = await openReplica(url.reveal(), { openTimeout: 0 })
      try {
        const { uri } = timestamp === undefined ? replica : await replica.at({ timestamp: new Date(timestamp) })
        const db = opened(() => openConnection(uri), replica)
        try {
          printRows(db, sql, flags.json ? 'json' : flags.csv ? 'csv' : flags.format!)
        } catch (error) {
          throw explained(db, sql, error)
        } finally {
          db.close()
        }
      } finally {
        await replica.close()
      }
    })
}

function printRows(db: Connection, sql: string, format: 'table' | 'json' | 'csv'): void {
  const { columns, rows: read } = db.query(sql)
  if (columns.length === 0) {
    throw new LitestreamError('INVALID_ARGUMENT', 'the statement returns no rows', {
      hint: 'Use a SELECT statement, because litestream-ts query can only read the replica.',
    })
  }
  const rows = read()
  if (format === 'csv') {
    printData(columns.map(csvField).join(','))
    for (const row of rows) printData(row.map((value) => csvField(asText(value))).join(','))
  } else if (format === 'json') {
    const names = distinct(columns)
    printJson(Array.from(rows, (row) => Object.fromEntries(names.map((name, i) => [name, asJson(row[i])]))))
  } else {
    printTable(
      columns,
      Array.from(rows, (row) => row.map(asText)),
    )
  }
}

/**
 * Returns unique column names. The second column `name` becomes `name:2`, because a JSON object has
 * each key only once.
 */
function distinct(columns: readonly string[]): string[] {
  const seen = new Set(columns)
  const used = new Set<string>()
  return columns.map((column) => {
    let name = column
    for (let n = 2; used.has(name) || (name !== column && seen.has(name)); n++) name = `${column}:${n}`
    used.add(name)
    return name
  })
}

/**
 * Adds the SQL statement to an error of SQLite. If SQLite could not read a page of a replica,
 * SQLite's own message is always "disk I/O error". If SQLite's message is "disk I/O error", the
 * returned error contains the reason that `litestream_error()` returns.
 */
function explained(db: Connection, sql: string, error: unknown): unknown {
  const result = sqliteCode(error)
  if (!result) return error
  if (!result.startsWith('SQLITE_IOERR')) {
    return new LitestreamError('INVALID_ARGUMENT', `${(error as Error).message}, in: ${sql}`, {
      cause: error,
      hint: 'Correct the SQL statement; `SELECT sql FROM sqlite_schema` shows the tables.',
    })
  }
  return unreadable(String(db.value('SELECT litestream_error()')), error)
}

/**
 * Opens a connection by calling `open`, and converts an error of the store. SQLite reads the first
 * page of the database when a connection is opened, so the store can cause an error.
 */
function opened(open: () => Connection, replica: Replica): Connection {
  try {
    return open()
  } catch (error) {
    if (!sqliteCode(error)?.startsWith('SQLITE_IOERR')) throw error
    throw unreadable(replica.lastError, error)
  }
}

/** `reason` is the text that `litestream_error()` returns. */
function unreadable(reason: string, error: unknown): LitestreamError {
  const [, code, message] = /^([A-Z_]+): (.*)$/s.exec(reason) ?? [undefined, 'STORAGE_FAILED', reason]
  return new LitestreamError(code as ErrorCode, message, {
    hint:
      code === 'LTX_CORRUPT'
        ? 'Run `litestream-ts verify` on the replica, then write a new snapshot (`litestream-ts replicate -once -force-snapshot DB URL`).'
        : undefined,
    cause: error,
  })
}

function asText(value: unknown): string {
  if (value === null) return ''
  return value instanceof Uint8Array ? Buffer.from(value).toString('hex') : String(value)
}

function asJson(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex')
  // JSON has no infinite numbers, so an infinite number becomes a string.
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value)
  if (typeof value !== 'bigint') return value
  return Number.isSafeInteger(Number(value)) ? Number(value) : value.toString()
}

/** Quotes a field of a CSV line according to RFC 4180. */
function csvField(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}
