/** Thrown by a command that did its work and printed the outcome itself, and wants another exit status than 0. */
export class ExitStatus extends Error {
  readonly status: number

  constructor(status: number) {
    super(`exit status ${status}`)
    this.status = status
  }
}
