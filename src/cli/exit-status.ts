/**
 * Thrown by a command that has printed its outcome itself and needs an exit status other than 0.
 */
export class ExitStatus extends Error {
  readonly status: number

  constructor(status: number) {
    super(`exit status ${status}`)
    this.status = status
  }
}
