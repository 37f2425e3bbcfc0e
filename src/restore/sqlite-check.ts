import type { Connection } from '../sqlite/connection.js'
import { findDriver } from '../sqlite/find-driver.js'

/** Faults that SQLite reports at most, and messages that are passed on of each kind. */
const MAX_MESSAGES = 10

/** SQLite's full-text modules say this if they cannot read the content that an index is to be compared with. */
const COULD_NOT_RUN = /^unable to validate the inverted index/

const B_TREES = '*** in database main ***'

export interface SqliteFindings {
  /** Faults that SQLite reports. */
  readonly findings: string[]
  /** Reasons why SQLite could not check all of the database. */
  readonly incomplete: string[]
}

/**
 * Runs PRAGMA quick_check or integrity_check. One table whose collation, function, tokenizer or module this SQLite does not have
 * ends the check of all; then every table is checked by itself.
 */
export function sqliteCheck(path: string, check: 'quick' | 'full'): SqliteFindings {
  const result: SqliteFindings = { findings: [], incomplete: [] }
  const driver = findDriver()
  let db: Connection
  try {
    db = driver.open(path)
  } catch (error) {
    result.incomplete.push((error as Error).message)
    return result
  }
  try {
    const pragma = check === 'quick' ? 'quick_check' : 'integrity_check'
    const failure = run(db, `${pragma}(${MAX_MESSAGES})`, result)
    if (failure !== undefined) checkTables(db, pragma, failure, result)
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
    // Several lines in one row: a heading and the faults of b-trees.
    const messages = Object.values(row)[0]!.split('\n')
    for (const message of messages) {
      if (message === 'ok' || message === B_TREES) continue
      add(COULD_NOT_RUN.test(message) ? result.incomplete : result.findings, message)
    }
  }
  return undefined
}

function checkTables(db: Connection, pragma: string, failure: string, result: SqliteFindings): void {
  let names: string[]
  try {
    names = db.rows("SELECT name FROM sqlite_schema WHERE type = 'table'").map(({ name }) => String(name))
  } catch {
    // The schema itself cannot be read, which `failure` says as well.
    add(result.incomplete, failure)
    return
  }
  for (const name of names) {
    const reason = run(db, `${pragma}('${name.replaceAll("'", "''")}')`, result)
    if (reason !== undefined) add(result.incomplete, `table ${name}: ${reason}`)
  }
  if (result.findings.length === 0 && result.incomplete.length === 0) add(result.incomplete, failure)
}

function add(messages: string[], message: string): void {
  if (messages.length < MAX_MESSAGES) messages.push(message)
  else if (messages.length === MAX_MESSAGES) messages.push('…')
}
