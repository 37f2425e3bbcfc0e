import { InvalidArgumentError } from 'commander'
import { parseTxid } from '../ltx/txid.js'
import { tryParseDuration } from '../util/duration.js'

/** Readers for flags whose text must become a value; commander adds the flag's name to the message. */

export function txidFlag(text: string): number {
  try {
    return parseTxid(text)
  } catch {
    throw new InvalidArgumentError('A TXID is 16 lowercase hex digits, as `litestream-ts ltx` prints them.')
  }
}

/** RFC 3339 in milliseconds since the epoch. */
export function timestampFlag(text: string): number {
  const ms = /^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$/.test(text)
    ? Date.parse(text.replace(' ', 'T').toUpperCase())
    : Number.NaN
  if (Number.isNaN(ms)) {
    throw new InvalidArgumentError('Write a time as RFC 3339 has it, such as 2026-01-31T15:04:05Z.')
  }
  return ms
}

/** Go's duration, in milliseconds. */
export function durationFlag(text: string): number {
  const ms = tryParseDuration(text)
  if (ms === undefined || ms < 0) throw new InvalidArgumentError('Write a duration such as 500ms, 10s or 1m.')
  return ms
}

/** Litestream's socket commands take their timeout as whole seconds; durations are taken too. In milliseconds. */
export function timeoutFlag(text: string): number {
  return /^\d+$/.test(text) ? Number(text) * 1000 : durationFlag(text)
}

export function countFlag(text: string): number {
  const count = Number(text)
  if (!Number.isInteger(count) || count < 1) throw new InvalidArgumentError('Write a whole number of at least 1.')
  return count
}
