import { HINTS } from './error-hints.js'
import { ERRNO } from './fs/errno.js'
import { withoutSecrets } from './util/redact.js'

/** The codes of all errors of this package. Stable: programs may test for them. */
export type ErrorCode =
  // the format
  /** A file's bytes are not a valid LTX file, or a checksum does not match. */
  | 'LTX_CORRUPT'
  /** The files of a replica are not contiguous. */
  | 'LTX_GAP'
  /** No set of files ends at the requested TXID or time. */
  | 'TXID_NOT_AVAILABLE'
  /** Files with different page sizes cannot be applied or merged together. */
  | 'PAGE_SIZE_MISMATCH'
  // storage
  /** Not a valid replica URL. */
  | 'INVALID_URL'
  /** A file, folder, object or bucket does not exist. */
  | 'NOT_FOUND'
  /** The store or the operating system refused access. */
  | 'ACCESS_DENIED'
  /** An object exists already, or is not the version that was expected. */
  | 'PRECONDITION_FAILED'
  /** The store limits the rate of requests, also after retries. */
  | 'THROTTLED'
  /** The server cannot be reached or is not ready, also after retries. */
  | 'UNAVAILABLE'
  /** An operation or a server did not answer in time. */
  | 'TIMEOUT'
  /** A signal or a shutdown cancelled the operation. */
  | 'ABORTED'
  /** The store answered with an error that fits no other code. */
  | 'STORAGE_FAILED'
  /** The disk or a quota is full. */
  | 'DISK_FULL'
  /** The limit of open files of the process. */
  | 'DESCRIPTOR_LIMIT'
  // the primary
  /** Not an SQLite database, or one that cannot be replicated. */
  | 'DATABASE_INVALID'
  /** Another connection holds a lock of the database. */
  | 'DATABASE_BUSY'
  /** The database file was replaced or removed while it was replicated. */
  | 'DATABASE_REPLACED'
  /** The database is open through another copy of SQLite in the same process. */
  | 'DATABASE_SHARED'
  /** The -wal has frames that its checksums contradict. */
  | 'WAL_CORRUPT'
  /** Another primary writes to the same replica. */
  | 'REPLICA_FENCED'
  /** The database does not continue the newest state of its replica. */
  | 'REPLICA_DIVERGED'
  // writing through the VFS
  /** The replica, or this connection, was not opened for writing. */
  | 'WRITE_DISABLED'
  /** Another writer committed first. */
  | 'WRITE_CONFLICT'
  /** Another writer holds the lease. */
  | 'LEASE_HELD'
  /** The file that holds commits until they are uploaded is damaged. */
  | 'BUFFER_DAMAGED'
  /** It is unknown whether the store has the commit. */
  | 'COMMIT_UNKNOWN'
  // readers
  /** The URL has no files yet. */
  | 'REPLICA_EMPTY'
  /** The replica was reset: its TXIDs went back. */
  | 'REPLICA_RESET'
  /** No poll has succeeded for longer than max-stale. */
  | 'REPLICA_STALE'
  /** The handle of the replica was closed. */
  | 'REPLICA_CLOSED'
  /** A page was not read within `readTimeout`. */
  | 'PAGE_TIMEOUT'
  /** No file of the replica has the page of this transaction any more. */
  | 'PAGE_UNAVAILABLE'
  /** The worker thread ended. */
  | 'WORKER_EXITED'
  /** A read on the replica worker's own thread, which would wait for itself. */
  | 'WORKER_THREAD_READ'
  /** The local copy is used by another process, belongs to another replica, or was changed. */
  | 'HYDRATION_CONFLICT'
  // restore and the rest
  /** The output of a restore exists already. */
  | 'OUTPUT_EXISTS'
  /** Another process restores to the output, or has the output open. */
  | 'OUTPUT_BUSY'
  /** SQLite's check found faults in a restored database. */
  | 'INTEGRITY_CHECK_FAILED'
  /** The configuration, or a parameter of a URI, is invalid. */
  | 'CONFIG_INVALID'
  /** An argument or an option is invalid. */
  | 'INVALID_ARGUMENT'
  /** The compiled addon does not exist or cannot be loaded. */
  | 'NATIVE_MISSING'
  /** A bug in this package. */
  | 'INTERNAL'
  /** Neither better-sqlite3 nor node:sqlite is available. */
  | 'DRIVER_MISSING'
  /** No identity opens an encrypted file, or a file is not encrypted. */
  | 'DECRYPTION_FAILED'
  /** The client library of a store is not installed. */
  | 'PACKAGE_MISSING'

export interface ErrorDetails {
  /** The user's next step, as one sentence; default: the hint of the code (error-hints.ts). */
  readonly hint?: string
  /** The error that caused this one. */
  readonly cause?: unknown
  /** The file, key or URL that the error is about; never with credentials. */
  readonly file?: string
  /** Byte offset in `file`. */
  readonly offset?: number
  /** The page that the error is about. */
  readonly pgno?: number
  /** The store's request id of the failed request. */
  readonly requestId?: string
}

/** A message has at most this many characters: it may contain text of a store, and two long paths. */
const MAX_MESSAGE = 10_000

function bounded(message: string): string {
  if (message.length <= MAX_MESSAGE) return message
  return `${message.slice(0, MAX_MESSAGE)}… (${message.length} characters)`
}

/**
 * The error class of the package. `code` identifies the error, `hint` is the user's next step.
 * Known secrets, and text that looks like one, are masked in all of its fields, including the
 * cause.
 */
export class LitestreamError extends Error {
  override readonly name = 'LitestreamError'
  /** Identifies the error. */
  readonly code: ErrorCode
  /** The user's next step, as a sentence. */
  readonly hint: string
  /** The file, key or URL that the error is about; never with credentials. */
  readonly file?: string
  /** Byte offset in `file`. */
  readonly offset?: number
  /** The page that the error is about. */
  readonly pgno?: number
  /** The store's request id of the failed request. */
  readonly requestId?: string

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(
      bounded(withoutSecrets(message)),
      details.cause === undefined ? undefined : { cause: safeCause(details.cause) },
    )
    this.code = code
    this.hint = withoutSecrets(details.hint ?? HINTS[code])
    if (details.file !== undefined) this.file = withoutSecrets(details.file)
    if (details.offset !== undefined) this.offset = details.offset
    if (details.pgno !== undefined) this.pgno = details.pgno
    if (details.requestId !== undefined) this.requestId = details.requestId
  }
}

/**
 * Makes a cause safe to print. An error of another package may contain a whole request, with
 * headers and credentials: such an error, and one whose text contains a secret, is replaced by a
 * copy of its name, message, stack and code.
 */
function safeCause(cause: unknown): unknown {
  if (typeof cause === 'string') return withoutSecrets(cause)
  if (!(cause instanceof Error) || cause instanceof LitestreamError) return cause
  const inner = cause.cause === undefined ? undefined : safeCause(cause.cause)
  const { name, message, stack = '' } = cause
  const values: unknown[] = Object.values(cause)
  const flat = values.every((value) => value === null || !['object', 'function'].includes(typeof value))
  if (flat && inner === cause.cause) {
    // The stack consists of the message and of code locations.
    const text = [name, message, ...values.map(String)].join('\n')
    if (withoutSecrets(text) === text) return cause
  }
  const copy = new Error(withoutSecrets(message), inner === undefined ? undefined : { cause: inner })
  copy.name = name
  copy.stack = withoutSecrets(stack)
  const { code } = cause as NodeJS.ErrnoException
  return code === undefined ? copy : Object.assign(copy, { code })
}

/**
 * Whether `error` is a LitestreamError, with one of the given codes if there are any.
 *
 * @example
 * try {
 *   await restore('file:///nowhere/app.db', { output: 'x.db' })
 * } catch (error) {
 *   if (!isLitestreamError(error, 'REPLICA_EMPTY', 'NOT_FOUND')) throw error
 *   console.log(error.hint)
 * }
 */
export function isLitestreamError(error: unknown, ...codes: ErrorCode[]): error is LitestreamError {
  return error instanceof LitestreamError && (codes.length === 0 || codes.includes(error.code))
}

/** SQLite's result codes, by prefix. */
const SQLITE: readonly (readonly [string, ErrorCode])[] = [
  ['SQLITE_BUSY', 'DATABASE_BUSY'],
  ['SQLITE_LOCKED', 'DATABASE_BUSY'],
  ['SQLITE_FULL', 'DISK_FULL'],
  ['SQLITE_READONLY', 'ACCESS_DENIED'],
  ['SQLITE_PERM', 'ACCESS_DENIED'],
  ['SQLITE_AUTH', 'ACCESS_DENIED'],
  ['SQLITE_NOTADB', 'DATABASE_INVALID'],
  ['SQLITE_CORRUPT', 'DATABASE_INVALID'],
  ['SQLITE_CANTOPEN', 'STORAGE_FAILED'],
  ['SQLITE_IOERR', 'STORAGE_FAILED'],
]

/**
 * Converts any thrown value to a LitestreamError. Errors of the operating system, of SQLite and of
 * aborted operations are mapped by their codes; any other error is INTERNAL, because no code
 * expected it.
 */
export function toLitestreamError(error: unknown): LitestreamError {
  if (error instanceof LitestreamError) return error
  const { code, name, message } = describeForeign(error)
  const [ours, hint] = ERRNO[code] ?? []
  if (ours) return new LitestreamError(ours, message, { cause: error, hint })
  const sqlite = SQLITE.find(([prefix]) => code.startsWith(prefix))
  if (sqlite) return new LitestreamError(sqlite[1], message, { cause: error })
  if (name === 'AbortError') return new LitestreamError('ABORTED', message, { cause: error })
  if (name === 'TimeoutError') return new LitestreamError('TIMEOUT', message, { cause: error })
  return new LitestreamError('INTERNAL', `internal error: ${message}`, { cause: error })
}

function describeForeign(error: unknown): { readonly code: string; readonly name: string; readonly message: string } {
  if (!(error instanceof Error)) return { code: '', name: '', message: String(error) }
  const { code } = error as NodeJS.ErrnoException
  return { code: typeof code === 'string' ? code : '', name: error.name, message: error.message || error.name }
}

/**
 * The form in which a worker thread sends an error: structured cloning would drop code and hint.
 */
export interface SerializedError extends ErrorDetails {
  readonly code: ErrorCode
  readonly message: string
}

export function serializeError(thrown: unknown): SerializedError {
  const error = toLitestreamError(thrown)
  const { code, message, hint, file, offset, pgno, requestId, cause } = error
  const reason = cause instanceof Error ? (code === 'INTERNAL' ? cause.stack : cause.message) : cause
  return {
    code,
    message,
    hint,
    file,
    offset,
    pgno,
    requestId,
    cause: reason === undefined ? undefined : String(reason),
  }
}

export function deserializeError(error: SerializedError): LitestreamError {
  return new LitestreamError(error.code, error.message, error)
}
