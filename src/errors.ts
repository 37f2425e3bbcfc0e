import { HINTS } from './error-hints.js'
import { ERRNO } from './fs/errno.js'
import { withoutSecrets } from './util/redact.js'

/**
 * The codes of all errors of this package. The codes do not change, so programs may compare them.
 */
export type ErrorCode =
  // the format
  /** An LTX file is malformed, or its checksum does not match its content. */
  | 'LTX_CORRUPT'
  /** The TXIDs of a replica's files have a gap or an overlap. */
  | 'LTX_GAP'
  /** The requested TXID or time cannot be restored from the files of the replica. */
  | 'TXID_NOT_AVAILABLE'
  /** LTX files with different page sizes cannot be merged or applied to one database. */
  | 'PAGE_SIZE_MISMATCH'
  // storage
  /** The URL is not a valid replica URL. */
  | 'INVALID_URL'
  /** A file, folder, object or bucket does not exist. */
  | 'NOT_FOUND'
  /** The store or the operating system denied access. */
  | 'ACCESS_DENIED'
  /** The object already exists, or does not have the version that the write expected. */
  | 'PRECONDITION_FAILED'
  /** The store refuses requests because they arrive at too high a rate. Retries did not help. */
  | 'THROTTLED'
  /** The server of the store does not accept connections or is not ready. Retries did not help. */
  | 'UNAVAILABLE'
  /** An operation or a server exceeded its time limit. */
  | 'TIMEOUT'
  /** A signal or a shutdown cancelled the operation. */
  | 'ABORTED'
  /** The store responded with an error that matches no other code. */
  | 'STORAGE_FAILED'
  /** The disk or a quota is full. */
  | 'DISK_FULL'
  /** The process has reached its limit of open files. */
  | 'DESCRIPTOR_LIMIT'
  // the primary
  /** The file is not an SQLite database, or the database cannot be replicated. */
  | 'DATABASE_INVALID'
  /** Another connection holds a lock on the database that the operation needs. */
  | 'DATABASE_BUSY'
  /** The database file was replaced or removed during replication. */
  | 'DATABASE_REPLACED'
  /** This process has opened the database through a second copy of SQLite. */
  | 'DATABASE_SHARED'
  /** The WAL contains frames whose checksums do not match. */
  | 'WAL_CORRUPT'
  /** Another primary writes to the same replica. */
  | 'REPLICA_FENCED'
  /** The database has diverged: it does not continue the replica's newest state. */
  | 'REPLICA_DIVERGED'
  // writing through the VFS
  /** The replica, or the connection to it, was not opened for writing. */
  | 'WRITE_DISABLED'
  /** Another writer committed to the replica before this writer did. */
  | 'WRITE_CONFLICT'
  /** Another writer holds the lease of the replica. */
  | 'LEASE_HELD'
  /** The write buffer, which stores commits until their upload, is damaged. */
  | 'BUFFER_DAMAGED'
  /** It is unknown whether the upload of a commit succeeded. */
  | 'COMMIT_UNKNOWN'
  // readers
  /** The replica contains no files. */
  | 'REPLICA_EMPTY'
  /** The replica was deleted and written from the beginning, or was replaced by another replica. */
  | 'REPLICA_RESET'
  /** For longer than `maxStale`, no poll of the replica has succeeded. */
  | 'REPLICA_STALE'
  /** The replica handle was closed. */
  | 'REPLICA_CLOSED'
  /** Reading a page of a replica took longer than `readTimeout`. */
  | 'PAGE_TIMEOUT'
  /** The replica no longer contains a page that the transaction needs. */
  | 'PAGE_UNAVAILABLE'
  /** The worker thread that reads replicas has ended unexpectedly. */
  | 'WORKER_EXITED'
  /** Code on the thread of the replica worker read a page, which would wait forever. */
  | 'WORKER_THREAD_READ'
  /** The local copy was changed, belongs to another replica, or is used by another process. */
  | 'HYDRATION_CONFLICT'
  // restore and the rest
  /** The output file of a restore already exists. */
  | 'OUTPUT_EXISTS'
  /** Another process restores to the output file, or has the output file open. */
  | 'OUTPUT_BUSY'
  /** The integrity check has found faults in a restored database. */
  | 'INTEGRITY_CHECK_FAILED'
  /** The configuration, or a parameter of a URI, is invalid. */
  | 'CONFIG_INVALID'
  /** An argument or option is invalid. */
  | 'INVALID_ARGUMENT'
  /** The compiled addon does not exist or cannot be loaded. */
  | 'NATIVE_MISSING'
  /** The error is a bug in this package. */
  | 'INTERNAL'
  /** Neither better-sqlite3 nor node:sqlite is available. */
  | 'DRIVER_MISSING'
  /** No identity can decrypt an encrypted file, or a file that should be encrypted is not. */
  | 'DECRYPTION_FAILED'
  /** The npm package of the store's client library is not installed. */
  | 'PACKAGE_MISSING'

export interface ErrorDetails {
  /** What the user should do next, as one sentence (default: the hint for the error code). */
  readonly hint?: string
  /** The error that caused the LitestreamError. */
  readonly cause?: unknown
  /** The file, key or URL that caused the error, without credentials. */
  readonly file?: string
  /** Byte offset in `file` at which the error was found. */
  readonly offset?: number
  /** The number of the page that caused the error. */
  readonly pgno?: number
  /** The ID with which the store identifies the failed request. */
  readonly requestId?: string
}

/**
 * Maximum number of characters of an error message. An error message may contain text from a store,
 * and two long paths.
 */
const MAX_MESSAGE = 10_000

function bounded(message: string): string {
  if (message.length <= MAX_MESSAGE) return message
  return `${message.slice(0, MAX_MESSAGE)}… (${message.length} characters)`
}

/**
 * The error class of this package. `code` identifies the error, and `hint` says what the user
 * should do next. All fields of the error and its cause are masked: they contain neither known
 * secrets nor text that looks like a secret.
 */
export class LitestreamError extends Error {
  override readonly name = 'LitestreamError'
  /** Identifies the error. */
  readonly code: ErrorCode
  /** What the user should do next, as one sentence. */
  readonly hint: string
  /** The file, key or URL that caused the error, without credentials. */
  readonly file?: string
  /** Byte offset in `file` at which the error was found. */
  readonly offset?: number
  /** The number of the page that caused the error. */
  readonly pgno?: number
  /** The ID that the store gave to the failed request. */
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
 * Makes the cause of an error safe to print. An error of another package may contain a whole
 * request with credentials. If the cause has object fields or contains a secret, returns a copy
 * that has only the name, the message, the stack and the code.
 */
function safeCause(cause: unknown): unknown {
  if (typeof cause === 'string') return withoutSecrets(cause)
  if (!(cause instanceof Error) || cause instanceof LitestreamError) return cause
  const inner = cause.cause === undefined ? undefined : safeCause(cause.cause)
  const { name, message, stack = '' } = cause
  const values: unknown[] = Object.values(cause)
  const flat = values.every((value) => value === null || !['object', 'function'].includes(typeof value))
  if (flat && inner === cause.cause) {
    // The stack of an error contains only its message and positions in the code.
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
 * Returns whether `error` is a LitestreamError. If codes are given, the error must also have one of
 * these codes.
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

/** The error code for each prefix of SQLite's result codes. */
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
 * Converts any thrown value to a LitestreamError. The error code follows from the error code of the
 * operating system or SQLite, or from the name of an abort or timeout error. Any other error gets
 * the code INTERNAL.
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
 * The form in which a worker thread sends an error. Structured cloning of the error itself would
 * lose the code and the hint.
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
