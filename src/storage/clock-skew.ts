import { formatDuration } from '../util/duration.js'

/** A smaller difference refuses no request: Google accepts 5 minutes, Azure and S3 15. */
const ACCEPTED_MS = 4 * 60_000

/** That the clock of this machine is wrong, for the error of a refused request. */
export interface ClockSkew {
  /** Continues a message. */
  readonly text: string
  readonly hint: string
}

/**
 * Compares the clock of this machine with the server's. `date`: the header Date of the response
 * that refused the credentials. Undefined if both agree, or if the header has no time.
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
