import { HINTS } from './error-hints.js'
import { ERRNO } from './fs/errno.js'
import { withoutSecrets } from './util/redact.js'

/** The codes of all errors of this package. Stable: programs may test for them. */
export type ErrorCode =
  // the format
  | 'LTX_CORRUPT' // a file's bytes are not a valid LTX file, or a checksum does not match
  | 'LTX_GAP' // the files of a replica are not contiguous
  | 'TXID_NOT_AVAILABLE' // no set of files ends at the requested TXID or time
  | 'PAGE_SIZE_MISMATCH'
  // storage
  | 'INVALID_URL'
  | 'NOT_FOUND'
  | 'ACCESS_DENIED'
  | 'PRECONDITION_FAILED'
  | 'THROTTLED'
  | 'UNAVAILABLE'
  | 'TIMEOUT'
  | 'ABORTED'
  | 'STORAGE_FAILED' // the store answered with an error that fits no other code
  | 'DISK_FULL'
  | 'DESCRIPTOR_LIMIT' // the limit of open files of the process
  // the primary
  | 'DATABASE_INVALID' // not an SQLite database, or one that cannot be replicated
  | 'DATABASE_BUSY'
  | 'DATABASE_REPLACED'
  | 'DATABASE_SHARED' // the database is open through another copy of SQLite in the same process
  | 'WAL_CORRUPT'
  | 'REPLICA_FENCED' // another primary writes to the same replica
  | 'REPLICA_DIVERGED' // the database does not continue the newest state of its replica
  // writing through the VFS
  | 'WRITE_DISABLED' // the replica, or this connection, was not opened for writing
  | 'WRITE_CONFLICT' // another writer committed first
  | 'LEASE_HELD' // another writer holds the lease
  | 'BUFFER_DAMAGED' // the file that holds commits until they are uploaded is damaged
  | 'COMMIT_UNKNOWN' // it is unknown whether the store has the commit
  // readers
  | 'REPLICA_EMPTY' // the URL has no files yet
  | 'REPLICA_RESET' // the replica was reset: its TXIDs went back
  | 'REPLICA_STALE' // no poll has succeeded for longer than max-stale
  | 'REPLICA_CLOSED'
  | 'PAGE_TIMEOUT'
  | 'PAGE_UNAVAILABLE'
  | 'WORKER_EXITED'
  | 'WORKER_THREAD_READ' // a read on the replica worker's own thread, which would wait for itself
  | 'HYDRATION_CONFLICT'
  // restore and the rest
  | 'OUTPUT_EXISTS'
  | 'OUTPUT_BUSY' // another process restores to the output, or has the output open
  | 'INTEGRITY_CHECK_FAILED'
  | 'CONFIG_INVALID'
  | 'INVALID_ARGUMENT'
  | 'NATIVE_MISSING'
  | 'INTERNAL' // a bug in this package
  | 'DRIVER_MISSING' // neither better-sqlite3 nor node:sqlite is available
  | 'DECRYPTION_FAILED' // no identity opens an encrypted file, or a file is not encrypted
  | 'PACKAGE_MISSING' // the client library of a store is not installed

export interface ErrorDetails {
  /** The user's next step, as one sentence; default: the hint of the code (error-hints.ts). */
  readonly hint?: string
  readonly cause?: unknown
  /** The file, key or URL that the error is about; never with credentials. */
  readonly file?: string
  /** Byte offset in `file`. */
  readonly offset?: number
  readonly pgno?: number
  /** The store's request id of the failed request. */
  readonly requestId?: string
}

/**
 * The error class of the package. `code` identifies the error, `hint` is the user's next step.
 * Known secrets, and text that looks like one, are masked in all of its fields, including the
 * cause.
 */
export class LitestreamError extends Error {
  override readonly name = 'LitestreamError'
  readonly code: ErrorCode
  readonly hint: string
  readonly file?: string
  readonly offset?: number
  readonly pgno?: number
  readonly requestId?: string

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(withoutSecrets(message), details.cause === undefined ? undefined : { cause: safeCause(details.cause) })
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

/** Whether `error` is a LitestreamError, with one of the given codes if there are any. */
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
