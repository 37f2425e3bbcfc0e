import { checkStructure } from './btree/check-structure.js'
import type { IntegrityOutcome, IntegrityReport } from './report.js'
import { sqliteCheck } from './sqlite-check.js'

export interface DatabaseCheck {
  readonly path: string
  readonly check: 'quick' | 'full'
  /** Whether connections may use the database during the check. */
  readonly live: boolean
  /** Called once, with the number with which `interruptSource()` can interrupt the check. */
  onInterrupter(interrupter: number): void
  /** Whether the check must end before its next step. */
  isStopped(): boolean
}

/** Checks a database with SQLite in synchronous calls. Throws errors of reading the file. */
export function checkDatabase({ path, check, live, onInterrupter, isStopped }: DatabaseCheck): IntegrityReport {
  const { structure, findings, incomplete } = sqliteCheck(path, check, onInterrupter, isStopped)
  // SQLite's check includes the b-trees, so no further check is needed.
  if (structure.length + findings.length + incomplete.length === 0) return { check, outcome: 'ok', messages: [] }
  // checkStructure opens and closes the database file. When a process closes any descriptor of a
  // file, POSIX releases all locks of the process on this file. The file of a live database must
  // therefore not be opened.
  const ours = live ? [] : checkStructure(path, isStopped)
  const damage = [...ours, ...structure]
  const outcome: IntegrityOutcome = damage.length > 0 ? 'damaged' : findings.length > 0 ? 'findings' : 'incomplete'
  return { check, outcome, messages: [...damage, ...findings, ...incomplete] }
}
