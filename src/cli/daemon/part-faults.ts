import { toLitestreamError } from '../../errors.js'
import type { PartFault, PartKind } from '../../status/document.js'
import type { ProcessEvent } from '../../status/event-streams.js'
import { formatDuration } from '../../util/duration.js'
import type { Logger } from '../../util/logger.js'

export interface Part {
  readonly part: PartKind
  /** The address of a listener, the path of a file or folder, or the URL of a service. */
  readonly name: string
  /** Whether a failure of the part keeps a database from being replicated. */
  readonly replication: boolean
}

/**
 * The faults of the parts of a process other than databases. PartFaults logs each fault and each
 * recovery.
 */
export class PartFaults {
  readonly #logger: Logger
  readonly #publish: (event: ProcessEvent) => void
  readonly #faults = new Map<string, PartFault>()

  /** `publish` receives an event for each fault and each recovery. */
  constructor(logger: Logger, publish: (event: ProcessEvent) => void = () => {}) {
    this.#publish = publish
    this.#logger = logger
  }

  /**
   * Records a failure of a part. `retryMs` is the time in milliseconds until the part is tried
   * again, or undefined if this time is unknown.
   */
  failed(part: Part, error: unknown, retryMs?: number): void {
    const { message, code, hint } = toLitestreamError(error)
    const key = keyOf(part)
    const before = this.#faults.get(key)
    const { since = Date.now(), failures = 0 } = before ?? {}
    this.#faults.set(key, { ...part, message, code, hint, since, failures: failures + 1 })
    this.#publish({
      event: 'error',
      part: part.part,
      name: part.name,
      code,
      error: message,
      hint,
      failures: failures + 1,
      retry_ms: retryMs === undefined ? null : Math.round(retryMs),
    })
    const retry = retryMs === undefined ? undefined : formatDuration(Math.round(retryMs))
    const fields = { part: part.part, name: part.name, error: message, code, hint, failures: failures + 1, retry }
    // A repeated fault with the same message is logged only at level debug.
    if (before?.message === message) this.#logger.debug(fields, `${part.part} still fails`)
    else this.#logger.error(fields, `${part.part} failed`)
  }

  /** Records that a part works, and logs a recovery if the part had a fault. */
  works(part: Part): void {
    if (!this.#faults.delete(keyOf(part))) return
    this.#logger.info({ part: part.part, name: part.name }, `${part.part} recovered`)
    this.#publish({ event: 'recover', part: part.part, name: part.name })
  }

  /**
   * Removes the fault of a part. The owner of the part must call `forget` when the process no
   * longer needs the part.
   */
  forget(part: Part): void {
    this.#faults.delete(keyOf(part))
  }

  list(): readonly PartFault[] {
    return [...this.#faults.values()]
  }
}

function keyOf({ part, name }: Part): string {
  return `${part} ${name}`
}
