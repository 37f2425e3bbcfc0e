import path from 'node:path'
import { z } from 'zod'
import { redactUrl } from '../../storage/shown-url.js'
import { parseReplicaUrl } from '../../storage/url.js'
import { MAX_DELAY_MS } from '../../util/timers.js'

/** An answer other than 200. */
export class ControlError extends Error {
  readonly status: number
  readonly details: string | undefined
  /** The field of the request that is wrong, and its value as it came. */
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

/** Linux's limits, bytes. */
const MOST_PATH = 4095
const MOST_NAME = 255
const MOST_URL = 8192
/** The longest delay of a timer, in whole seconds. */
const MOST_SECONDS = Math.floor(MAX_DELAY_MS / 1000)
/** Of a wrong value, so much is sent back; characters. */
const SHOWN_VALUE = 200

/** What is wrong with the path of a file, as the end of a sentence; undefined for a path that can be. */
export function pathFault(file: string): string | undefined {
  if (file === '') return 'required'
  if (file.includes('\0')) return 'must not hold a NUL byte'
  if (Buffer.byteLength(file) > MOST_PATH) return `must have at most ${MOST_PATH} bytes`
  const long = file.split(path.sep).some((name) => Buffer.byteLength(name) > MOST_NAME)
  return long ? `must not hold a name of more than ${MOST_NAME} bytes` : undefined
}

/** Fails the schema with a fault, which is the end of a sentence about the field. */
const checked = (fault: (text: string) => string | undefined) =>
  z
    .string({ error: (issue) => (issue.input === undefined ? 'required' : 'must be a text') })
    .superRefine((text, context) => {
      const message = fault(text)
      if (message) context.addIssue({ code: 'custom', message })
    })

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

const withPath = z.object({ path: checked(pathFault) }, { error: 'must be a JSON object' })
const secondsFault = `must be a number of seconds above 0 and up to ${MOST_SECONDS}`
const timeout = z.number({ error: secondsFault }).positive(secondsFault).max(MOST_SECONDS, secondsFault).default(30)

/** The bodies of the requests of the control socket. */
export const bodies = {
  start: withPath.extend({ timeout }),
  stop: withPath.extend({ timeout }),
  unregister: withPath.extend({ timeout }),
  sync: withPath.extend({ wait: z.boolean('must be true or false').default(false), timeout }),
  register: withPath.extend({ replica_url: checked(urlFault) }),
}

/** A request's body as its schema has it. Throws ControlError 400, which names the field and the value. */
export function readBody<S extends z.ZodType>(schema: S, body: unknown): z.output<S> {
  const result = schema.safeParse(body)
  if (result.success) return result.data
  const [issue] = result.error.issues
  throw fieldError(issue!.path.join('.') || 'body', valueAt(body, issue!.path), issue!.message)
}

/** The path of a query, `?path=…`. Throws ControlError 400. */
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
        ? undefined // may hold anything, a password for one
        : value
  return new ControlError(400, `${field} ${fault}`, { field, value: shown })
}

function valueAt(body: unknown, keys: readonly PropertyKey[]): unknown {
  let value = body
  for (const key of keys) value = (value as Record<PropertyKey, unknown> | undefined)?.[key]
  return value
}
