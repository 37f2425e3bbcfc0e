/**
 * A command throws ExitStatus after it has printed its result, if the exit status must be other
 * than 0.
 */
export class ExitStatus extends Error {
  readonly status: number

  constructor(status: number) {
    super(`exit status ${status}`)
    this.status = status
  }
}
