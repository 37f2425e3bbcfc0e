import { formatDuration } from '../util/duration.js'

/**
 * Clock difference in milliseconds between this machine and a server that every store still
 * accepts. Google accepts 5 minutes, and Azure and S3 accept 15 minutes.
 */
const ACCEPTED_MS = 4 * 60_000

/**
 * A finding that the clock of this machine is wrong. The error of a refused request contains the
 * finding about the clock.
 */
export interface ClockSkew {
  /** Text about the clocks that the client appends to the error message. */
  readonly text: string
  readonly hint: string
}

/**
 * Compares the clock of this machine with the server's clock. `date` is the header Date of the
 * response that refused the credentials, or undefined if the response has no such header. Returns
 * undefined if the clocks agree, or if the header Date is missing or invalid.
 */
export function clockSkew(date: string | undefined): ClockSkew | undefined {
  const ahead = Date.now() - Date.parse(date ?? '')
  if (!(Math.abs(ahead) > ACCEPTED_MS)) return undefined
  const by = formatDuration(Math.round(Math.abs(ahead) / 1000) * 1000)
  return {
    text: `; the clock of this machine is ${by} ${ahead > 0 ? 'ahead of' : 'behind'} the clock of the store`,
    hint: 'Set the clock of this machine: the store refuses requests that were signed at another time.',
  }
}
