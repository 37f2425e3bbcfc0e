import type { LitestreamError } from '../../errors.js'
import type { RecentError } from '../../status/document.js'

const MAX_ERRORS = 10
/** Maximum number of characters of a message that are kept. */
const MAX_MESSAGE = 2000

/** The most recent different errors of one database, newest first. */
export class RecentErrors {
  #errors: RecentError[] = []

  add(operation: RecentError['operation'], { code, message, hint }: LitestreamError): void {
    const now = Date.now()
    const text = message.slice(0, MAX_MESSAGE)
    const same = this.#errors.find(
      (each) => each.code === code && each.operation === operation && each.message === text,
    )
    const others = this.#errors.filter((each) => each !== same)
    const { firstAt = now, count = 0 } = same ?? {}
    const error = { operation, code, message: text, hint, firstAt, lastAt: now, count: count + 1 }
    this.#errors = [error, ...others].slice(0, MAX_ERRORS)
  }

  list(): readonly RecentError[] {
    return this.#errors
  }
}
