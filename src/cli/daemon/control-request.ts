import path from 'node:path'
import { redactUrl } from '../../storage/shown-url.js'
import { parseReplicaUrl } from '../../storage/url.js'
import { MAX_DELAY_MS } from '../../util/timers.js'

/** A response with a status other than 200. */
export class ControlError extends Error {
  readonly status: number
  readonly details: string | undefined
  /** The name of the invalid field of the request, and the value of that field. */
  readonly field: string | undefined
  readonly value: unknown
  readonly headers: Readonly<Record<string, string>>

  constructor(
    status: number,
    message: string,
    more: Pick<Partial<ControlError>, 'details' | 'field' | 'value' | 'headers'> = {},
  ) {
    super(message)
    this.status = status
    this.details = more.details
    this.field = more.field
    this.value = more.value
    this.headers = more.headers ?? {}
  }
}

/** Linux's limits for a path and a file name, in bytes. */
const MOST_PATH = 4095
const MOST_NAME = 255
const MOST_URL = 8192
/** The longest timeout that Node.js timers support, in whole seconds. */
const MOST_SECONDS = Math.floor(MAX_DELAY_MS / 1000)
/** Maximum number of characters of an invalid value that the error response repeats. */
const SHOWN_VALUE = 200

/**
 * Returns the reason why a file path is invalid, as the text that follows the field name in the
 * error message. Returns undefined for a valid path.
 */
export function pathFault(file: string): string | undefined {
  if (file === '') return 'required'
  if (file.includes('\0')) return 'must not hold a NUL byte'
  if (Buffer.byteLength(file) > MOST_PATH) return `must have at most ${MOST_PATH} bytes`
  const long = file.split(path.sep).some((name) => Buffer.byteLength(name) > MOST_NAME)
  return long ? `must not contain a name of more than ${MOST_NAME} bytes` : undefined
}

function urlFault(url: string): string | undefined {
  if (url === '') return 'required'
  if (url.includes('\0')) return 'must not hold a NUL byte'
  if (url.length > MOST_URL) return `must have at most ${MOST_URL} characters`
  try {
    parseReplicaUrl(url)
    return undefined
  } catch (error) {
    return `is not valid: ${(error as Error).message}`
  }
}

type Fields = Readonly<Record<string, unknown>>

function pathOf(body: Fields): string {
  return textField(body, 'path', pathFault)
}

/**
 * `fault` returns the text that follows the field name in the error message, or undefined if the
 * value of the field is valid.
 */
function textField(body: Fields, field: string, fault: (text: string) => string | undefined): string {
  const value = body[field]
  if (value === undefined) throw fieldError(field, value, 'required')
  if (typeof value !== 'string') throw fieldError(field, value, 'must be text')
  const wrong = fault(value)
  if (wrong) throw fieldError(field, value, wrong)
  return value
}

/** The timeout in seconds for a request whose timeout is missing or 0, as in Litestream. */
const DEFAULT_SECONDS = 30

function timeoutOf({ timeout = 0 }: Fields): number {
  if (timeout === 0) return DEFAULT_SECONDS
  if (typeof timeout === 'number' && timeout > 0 && timeout <= MOST_SECONDS) return timeout
  throw fieldError('timeout', timeout, `must be a number of seconds from 0 to ${MOST_SECONDS}`)
}

function waitOf({ wait = false }: Fields): boolean {
  if (typeof wait === 'boolean') return wait
  throw fieldError('wait', wait, 'must be true or false')
}

const pathAndTimeout = (body: Fields) => ({ path: pathOf(body), timeout: timeoutOf(body) })

/** Functions that read and check the fields of a request body, one function per route. */
export const bodies = {
  start: pathAndTimeout,
  stop: pathAndTimeout,
  unregister: pathAndTimeout,
  acknowledge: pathAndTimeout,
  sync: (body: Fields) => ({ path: pathOf(body), wait: waitOf(body), timeout: timeoutOf(body) }),
  register: (body: Fields) => ({ path: pathOf(body), replica_url: textField(body, 'replica_url', urlFault) }),
}

/**
 * Reads a request body with `read`. Throws ControlError 400, which contains the name and the value
 * of the invalid field.
 */
export function readBody<T>(read: (body: Fields) => T, body: unknown): T {
  if (typeof body === 'object' && body !== null && !Array.isArray(body)) return read(body as Fields)
  throw fieldError('body', body, 'must be a JSON object')
}

/** Checks the `path` parameter of a request URL. Throws ControlError 400 for an invalid path. */
export function readPath(value: string): string {
  const fault = pathFault(value)
  if (fault) throw fieldError('path', value, fault)
  return value
}

function fieldError(field: string, value: unknown, fault: string): ControlError {
  const shown =
    typeof value === 'string'
      ? redactUrl(value).slice(0, SHOWN_VALUE)
      : typeof value === 'object' && value !== null
        ? undefined // may contain anything, for example a password
        : value
  return new ControlError(400, `${field} ${fault}`, { field, value: shown })
}
