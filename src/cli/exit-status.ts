/**
 * A command throws ExitStatus after it has printed its result, to set an exit status other than 0.
 */
export class ExitStatus extends Error {
  readonly status: number

  constructor(status: number) {
    super(`exit status ${status}`)
    this.status = status
  }
}
