import { reportOutage } from '../storage/outage.js'
import { GrowingInterval } from '../util/growing-interval.js'
import type { PrimaryEvents } from './events.js'

/**
 * The operations that must succeed before a commit is in the replica. The operations are values of
 * the field `operation` in the event `error`.
 */
const NEEDED: readonly string[] = ['sync', 'upload', 'lease', 'worker', 'files']

/**
 * Emits a process warning of the type `LitestreamWarning` if a database is not backed up and the
 * program does not listen to the events that report the reason. If an operation keeps failing, the
 * warning is repeated at growing intervals. The warning has the `code` of the error, and its
 * `detail` is the hint of the error.
 */
export class ProcessWarnings {
  readonly #reports = new Map<string, GrowingInterval>()

  /** `isHeard` is true if the program listens to the event `name` or to the event `error`. */
  observe<Name extends keyof PrimaryEvents>(name: Name, event: PrimaryEvents[Name], isHeard: boolean): void {
    if (name === 'recover') this.#reports.delete((event as PrimaryEvents['recover']).operation)
    if (isHeard) return
    if (name === 'error') {
      const { db, operation, error } = event as PrimaryEvents['error']
      if (!NEEDED.includes(operation) || !this.#isDue(operation)) return
      warn(`${db} is not backed up: ${error.message}`, error.code, error.hint)
    } else if (name === 'missing') {
      const { db, hint } = event as PrimaryEvents['missing']
      warn(`${db} is not backed up: the database does not exist`, 'NOT_FOUND', hint)
    } else if (name === 'outage') {
      reportOutage(event as PrimaryEvents['outage'])
    } else if (name === 'divergence') {
      const { text, hint } = event as PrimaryEvents['divergence']
      warn(text, 'REPLICA_DIVERGED', hint)
    }
  }

  #isDue(operation: string): boolean {
    const reports = this.#reports.get(operation) ?? new GrowingInterval()
    this.#reports.set(operation, reports)
    return reports.due()
  }
}

function warn(message: string, code: string, detail: string): void {
  process.emitWarning(message, { type: 'LitestreamWarning', code, detail })
}
