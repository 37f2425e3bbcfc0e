import { InvalidArgumentError } from 'commander'
import { toLitestreamError } from '../errors.js'
import { parseTxid } from '../ltx/txid.js'
import { parseByteSize } from '../util/byte-size.js'
import { tryParseDuration } from '../util/duration.js'
import { FREE_TIME_HINT, parseFreeTime } from '../util/free-time.js'
import { parseTimestamp } from '../util/timestamp.js'

/**
 * The functions in this file parse the values of flags. Commander adds the name of the flag to the
 * error messages of these functions.
 */

/**
 * Maximum value of a flag that sets the number of parallel requests, files or pages. Higher values
 * of a flag for parallel work would need more memory without making a command faster.
 */
const MAX_COUNT = 1000

/**
 * Accepts any text except the empty text. An empty text usually comes from an unset variable of a
 * script.
 */
export function textFlag(text: string): string {
  if (text === '') throw new InvalidArgumentError('Give this flag a value that is not empty.')
  return text
}

export function txidFlag(text: string): number {
  try {
    return parseTxid(text)
  } catch {
    throw new InvalidArgumentError(
      'Write a TXID as 16 hexadecimal digits, as `litestream-ts ltx` prints them, from 0000000000000001 to 001fffffffffffff.',
    )
  }
}

/**
 * Parses a time in RFC 3339 format to milliseconds since the epoch. Returns a time in English words
 * unchanged, so that `timeOf()` can parse it later.
 */
export function timestampFlag(text: string): number | string {
  if (/[a-z]{2}/i.test(text) && !/\d{4}-\d\d-/.test(text)) return text
  // A date without a time of day, or a time without a zone, would be ambiguous in a restore.
  if (!/^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$/.test(text))
    throw new InvalidArgumentError(FREE_TIME_HINT)
  try {
    return parseTimestamp(text)
  } catch (error) {
    const why = toLitestreamError(error).message.replace(/^invalid time .*?: /, '')
    throw new InvalidArgumentError(`${why.charAt(0).toUpperCase()}${why.slice(1)}. ${FREE_TIME_HINT}`)
  }
}

/**
 * Converts a value that `timestampFlag()` returned to milliseconds since the epoch. Throws
 * INVALID_ARGUMENT for words with no clear meaning.
 */
export async function timeOf(flag: number | string): Promise<number>
export async function timeOf(flag: number | string | undefined): Promise<number | undefined>
export async function timeOf(flag: number | string | undefined): Promise<number | undefined> {
  return typeof flag === 'string' ? parseFreeTime(flag, Date.now()) : flag
}

/** Parses a duration in Go's format to milliseconds. */
export function durationFlag(text: string): number {
  const ms = tryParseDuration(text)
  if (ms === undefined || ms <= 0) {
    throw new InvalidArgumentError('Write a duration greater than 0, such as 500ms, 10s or 1m.')
  }
  return ms
}

/**
 * Parses a timeout to milliseconds. Accepts whole seconds, as Litestream's socket commands do, and
 * durations in Go's format.
 */
export function timeoutFlag(text: string): number {
  return durationFlag(/^\d+$/.test(text) ? `${text}s` : text)
}

/** Parses a number of bytes greater than 0, such as `10MB`, `64KiB` or `512`. */
export function sizeFlag(text: string): number {
  let bytes = 0
  try {
    bytes = parseByteSize(text)
  } catch {
    // The InvalidArgumentError lists the accepted forms of a size, so the parser's own error is
    // dropped.
  }
  if (bytes <= 0) throw new InvalidArgumentError('Write a size greater than 0, such as 512KiB, 10MB or 1000000.')
  return bytes
}

export function countFlag(text: string): number {
  const count = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN
  if (!(count >= 1 && count <= MAX_COUNT)) {
    throw new InvalidArgumentError(`Write a whole number from 1 to ${MAX_COUNT}.`)
  }
  return count
}

/** Parses a page number of SQLite. */
export function pageFlag(text: string): number {
  const pgno = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN
  if (!(pgno >= 1 && pgno < 2 ** 32)) throw new InvalidArgumentError(`Write a page number from 1 to ${2 ** 32 - 1}.`)
  return pgno
}
