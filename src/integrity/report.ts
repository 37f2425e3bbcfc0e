import { LitestreamError } from '../errors.js'

/**
 * The integrity checks of SQLite. `quick` is PRAGMA quick_check, which does not compare indexes
 * with their tables. `full` is PRAGMA integrity_check.
 */
export type IntegrityCheck = 'none' | 'quick' | 'full'

/**
 * The result of an integrity check.
 * - `ok`: SQLite ran the whole check and found no fault.
 * - `incomplete`: SQLite could not run the whole check, because a collation, function, tokenizer or
 *   module of the application is missing. The b-trees are intact.
 * - `findings`: SQLite reported faults such as an index that does not match its table. The b-trees
 *   are intact.
 * - `damaged`: The structure of a b-tree is wrong.
 */
export type IntegrityOutcome = 'ok' | 'incomplete' | 'findings' | 'damaged'

export interface IntegrityReport {
  /** The integrity check that SQLite ran. */
  readonly check: 'quick' | 'full'
  /** The result of the check. */
  readonly outcome: IntegrityOutcome
  /** The messages of SQLite and of the b-tree check, or an empty list if the outcome is `ok`. */
  readonly messages: readonly string[]
}

/** Describes a report in one sentence. `file` is the name of the database. */
function describeReport({ check, outcome, messages }: IntegrityReport, file: string): string {
  const pragma = check === 'quick' ? 'PRAGMA quick_check' : 'PRAGMA integrity_check'
  const list = messages.join('; ')
  switch (outcome) {
    case 'ok':
      return `${file}: ${pragma} found no fault`
    case 'incomplete':
      return `${file}: SQLite could not run all of ${pragma}: ${list}`
    case 'findings':
      return `${file}: ${pragma} reports: ${list}`
    case 'damaged':
      return `${file}: the structure of the b-trees is damaged: ${list}`
  }
}

/** Returns the warning for a database that was restored although the check reported faults. */
export function warningOf(report: IntegrityReport, file: string): string {
  const advice = {
    ok: '',
    incomplete: ': check the database with the application that uses it.',
    findings: ': run PRAGMA integrity_check on the primary.',
    damaged:
      ', which has the same damage: run PRAGMA integrity_check on the primary, and restore to an earlier TXID or time.',
  }
  const proof = 'All checksums match, so the restored bytes are identical to those of the primary'
  return `${describeReport(report, file)}. ${proof}${advice[report.outcome]}`
}

const HINTS: Readonly<Record<Exclude<IntegrityOutcome, 'ok'>, string>> = {
  incomplete:
    'Check the database with the application, which has the SQLite extensions that litestream-ts lacks. Without -integrity-check, this finding is only a warning.',
  findings: 'Run PRAGMA integrity_check on the primary. Without -integrity-check, this finding is only a warning.',
  damaged:
    'Run PRAGMA integrity_check on the primary, and restore to an earlier TXID or time. Without -integrity-check, this finding is only a warning.',
}

/** Returns the error for a report with faults. `kept` is the path of the checked database. */
export function integrityError(report: IntegrityReport, file: string, kept: string): LitestreamError {
  const hint = report.outcome === 'ok' ? undefined : HINTS[report.outcome]
  return new LitestreamError(
    'INTEGRITY_CHECK_FAILED',
    `${describeReport(report, file)}; the restored database is kept as ${kept}`,
    {
      file: kept,
      hint,
    },
  )
}
