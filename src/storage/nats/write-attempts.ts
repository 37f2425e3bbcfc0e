import { LitestreamError } from '../../errors.js'
import { elapsedMs } from '../../util/elapsed.js'

/**
 * Maximum number of attempts at one conditional write. An attempt fails only if another client has
 * written the object meanwhile.
 */
const MAX_ATTEMPTS = 100

/** Maximum time in milliseconds for all attempts of one write together. */
const MAX_TIME = 60_000

/** Counts and limits the attempts of one write to an object that other clients are changing. */
export class WriteAttempts {
  readonly #what: string
  readonly #file: string
  readonly #began = elapsedMs()
  #count = 0

  /** `what` is a phrase such as "writing nats://…", and `file` names the object. */
  constructor(what: string, file: string) {
    this.#what = what
    this.#file = file
  }

  /**
   * The writer must call `next` before each attempt to write. Throws WritersCollide after
   * MAX_ATTEMPTS attempts, and when MAX_TIME has passed.
   */
  next(): void {
    const seconds = Math.round((elapsedMs() - this.#began) / 1000)
    if (this.#count === MAX_ATTEMPTS || (this.#count > 0 && elapsedMs() - this.#began > MAX_TIME)) {
      throw new WritersCollide(this.#what, this.#file, this.#count, seconds)
    }
    this.#count++
  }
}

/**
 * The error of a write that failed without changing the object. Other clients changed the object
 * during each attempt of the write.
 */
export class WritersCollide extends LitestreamError {
  constructor(what: string, file: string, attempts: number, seconds: number) {
    const count = attempts === 1 ? '1 attempt' : `${attempts} attempts`
    super('STORAGE_FAILED', `${what} failed: other writers changed the object during ${count} in ${seconds} s`, {
      file,
      hint: 'Check that only one primary writes to the replica, then repeat the operation.',
    })
  }
}
