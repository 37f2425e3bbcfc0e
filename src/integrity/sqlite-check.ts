import { native } from '../native/addon.js'
import type { Connection } from '../sqlite/connection.js'
import { findDriver } from '../sqlite/find-driver.js'
import { takeSource } from '../sqlite/take-source.js'

/**
 * Maximum number of faults that SQLite reports, and maximum number of messages of each kind in the
 * result.
 */
const MAX_MESSAGES = 10

/**
 * The message with which SQLite's full-text modules report that they cannot compare an index with
 * its content.
 */
const COULD_NOT_RUN = /^unable to validate the inverted index/

/** The first line of a row with b-tree faults. Each further line of the row describes one fault. */
const STRUCTURE = '*** in database main ***'

export interface SqliteFindings {
  /** Faults in b-trees, in the freelist and in the pointer map. */
  readonly structure: string[]
  /** Faults that SQLite reports, except those in the structure of the database. */
  readonly findings: string[]
  /** The reasons why SQLite could not check a part of the database. */
  readonly incomplete: string[]
}

/**
 * Runs PRAGMA quick_check or PRAGMA integrity_check. If one table needs a missing collation,
 * function, tokenizer or module, the whole PRAGMA fails. Every table is then checked separately.
 * First calls `onInterrupter` with the number with which `interruptSource()` can interrupt the
 * check.
 */
export function sqliteCheck(
  path: string,
  check: 'quick' | 'full',
  onInterrupter: (interrupter: number) => void,
  isStopped: () => boolean,
): SqliteFindings {
  const result: SqliteFindings = { structure: [], findings: [], incomplete: [] }
  const driver = findDriver()
  let db: Connection
  try {
    db = driver.open(path)
  } catch (error) {
    result.incomplete.push((error as Error).message)
    return result
  }
  try {
    onInterrupter(native.sourceInterrupter(takeSource(db)))
    const pragma = check === 'quick' ? 'quick_check' : 'integrity_check'
    const failure = run(db, `${pragma}(${MAX_MESSAGES})`, result)
    if (failure !== undefined) checkTables(db, pragma, failure, result, isStopped)
  } finally {
    db.close()
  }
  return result
}

/**
 * Runs a PRAGMA and adds its messages to `result`. Returns the error message if the PRAGMA failed.
 */
function run(db: Connection, pragma: string, result: SqliteFindings): string | undefined {
  let rows: Record<string, string>[]
  try {
    rows = db.rows(`PRAGMA ${pragma}`) as Record<string, string>[]
  } catch (error) {
    return (error as Error).message
  }
  for (const row of rows) {
    const [first, ...rest] = String(Object.values(row)[0]).split('\n')
    if (first === STRUCTURE) for (const message of rest) add(result.structure, message)
    else if (first !== 'ok') add(result[kindOf(first!)], first!)
  }
  return undefined
}

function kindOf(message: string): keyof SqliteFindings {
  if (COULD_NOT_RUN.test(message)) return 'incomplete'
  return /^(?:Tree \d+|Page \d+|Main freelist|Freelist)[: ]/.test(message) ? 'structure' : 'findings'
}

function checkTables(
  db: Connection,
  pragma: string,
  failure: string,
  result: SqliteFindings,
  isStopped: () => boolean,
): void {
  let names: string[]
  try {
    names = db.rows("SELECT name FROM sqlite_schema WHERE type = 'table'").map(({ name }) => String(name))
  } catch {
    // The schema cannot be read. `failure` describes the cause.
    add(result.incomplete, failure)
    return
  }
  for (const name of names) {
    if (isStopped()) return
    const reason = run(db, `${pragma}('${name.replaceAll("'", "''")}')`, result)
    if (reason !== undefined) add(result.incomplete, `table ${name}: ${reason}`)
  }
  if (result.structure.length + result.findings.length + result.incomplete.length === 0) add(result.incomplete, failure)
}

function add(messages: string[], message: string): void {
  if (messages.length < MAX_MESSAGES) messages.push(message)
  else if (messages.length === MAX_MESSAGES) messages.push('…')
}
