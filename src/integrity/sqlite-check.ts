import { native } from '../native/addon.js'
import type { Connection } from '../sqlite/connection.js'
import { findDriver } from '../sqlite/find-driver.js'
import { takeSource } from '../sqlite/take-source.js'

/** Faults that SQLite reports at most, and messages that are passed on of each kind. */
const MAX_MESSAGES = 10

/** SQLite's full-text modules say this if they cannot read the content that an index is to be compared with. */
const COULD_NOT_RUN = /^unable to validate the inverted index/

/** The heading of the faults of b-trees, which are on the lines after it in one row. */
const STRUCTURE = '*** in database main ***'

export interface SqliteFindings {
  /** Faults of b-trees, of the freelist and of the pointer map. */
  readonly structure: string[]
  /** Other faults that SQLite reports. */
  readonly findings: string[]
  /** Reasons why SQLite could not check all of the database. */
  readonly incomplete: string[]
}

/**
 * Runs PRAGMA quick_check or integrity_check. One table whose collation, function, tokenizer or module this SQLite does not have
 * ends the check of all; then every table is checked by itself. `onInterrupter` is called before, with a number for interruptSource().
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

/** Adds to `result`; returns the message of an error that kept the check from running. */
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
    // The schema itself cannot be read, which `failure` says as well.
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
