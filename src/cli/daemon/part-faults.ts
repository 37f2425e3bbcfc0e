import { toLitestreamError } from '../../errors.js'
import type { PartFault, PartKind } from '../../status/document.js'
import { formatDuration } from '../../util/duration.js'
import type { Logger } from '../../util/logger.js'

export interface Part {
  readonly part: PartKind
  /** The address, path or folder that it is about. */
  readonly name: string
  /** Whether something is not replicated while it fails. */
  readonly replication: boolean
}

/** The parts of a process that do not work at the moment. Each fault and each recovery is a line in the log. */
export class PartFaults {
  readonly #logger: Logger
  readonly #faults = new Map<string, PartFault>()

  constructor(logger: Logger) {
    this.#logger = logger
  }

  /** Notes that a part failed, again perhaps. `retryMs`: when it is tried again; undefined: at the next occasion. */
  failed(part: Part, error: unknown, retryMs?: number): void {
    const { message, code, hint } = toLitestreamError(error)
    const key = keyOf(part)
    const before = this.#faults.get(key)
    const { since = Date.now(), failures = 0 } = before ?? {}
    this.#faults.set(key, { ...part, message, code, hint, since, failures: failures + 1 })
    const retry = retryMs === undefined ? undefined : formatDuration(Math.round(retryMs))
    const fields = { part: part.part, name: part.name, error: message, code, hint, failures: failures + 1, retry }
    // The same fault again is no news.
    if (before?.message === message) this.#logger.debug(fields, `${part.part} still fails`)
    else this.#logger.error(fields, `${part.part} failed`)
  }

  /** Notes that a part works. */
  works(part: Part): void {
    if (this.#faults.delete(keyOf(part)))
      this.#logger.info({ part: part.part, name: part.name }, `${part.part} recovered`)
  }

  /** Forgets a part that is no longer wanted. */
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
