import type { LitestreamError } from '../../errors.js'
import type { DatabaseFault } from '../../status/document.js'
import { graceOf } from '../../status/verdict.js'
import { monotonicMs } from '../../util/monotonic.js'

type Operation = DatabaseFault['operation']

/** The operations that must succeed before a commit is in the replica. */
const DELAYING: readonly Operation[] = ['open', 'sync', 'upload', 'lease', 'worker']

/** The current faults of one database, at most one per operation. */
export class DatabaseFaults {
  readonly #faults = new Map<Operation, Omit<DatabaseFault, 'ageMs'> & { readonly from: number }>()

  /**
   * Records a fault. `retried` is false if the operation is not repeated before a restart of the
   * process.
   */
  failed(operation: Operation, error: LitestreamError, retried: boolean): void {
    const { message, code, hint } = error
    const { since = Date.now(), from = monotonicMs() } = this.#faults.get(operation) ?? {}
    this.#faults.set(operation, { operation, message, code, hint, since, from, retried })
  }

  recovered(operation: Operation): void {
    this.#faults.delete(operation)
  }

  clear(): void {
    this.#faults.clear()
  }

  /**
   * Returns the fault with the shortest grace period. If several faults have the same grace period,
   * returns the oldest of them.
   */
  worst(): DatabaseFault | undefined {
    const now = monotonicMs()
    return [...this.#faults.values()]
      .map(({ from, ...fault }) => ({ ...fault, ageMs: now - from }))
      .sort((a, b) => graceOf(a, 0) - graceOf(b, 0) || b.ageMs - a.ageMs)[0]
  }

  /**
   * Age in milliseconds of the oldest fault that may delay the upload of commits. The age is 0 if
   * no fault delays the upload.
   */
  get delayMs(): number {
    const now = monotonicMs()
    const ages = [...this.#faults.values()]
      .filter(({ operation }) => DELAYING.includes(operation))
      .map(({ from }) => now - from)
    return Math.max(0, ...ages)
  }
}
