/** Every code an error of this package can carry. Stable: a program may switch on them. */
export type ErrorCode =
  // the format
  | 'LTX_CORRUPT' // a file's bytes are not a valid LTX file, or a checksum does not match
  | 'LTX_GAP' // the files of a replica do not follow one another
  | 'TXID_NOT_AVAILABLE' // no set of files ends at the TXID or time asked for
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
  // the primary
  | 'DATABASE_INVALID' // not an SQLite database, or one that cannot be replicated
  | 'DATABASE_BUSY'
  | 'DATABASE_REPLACED'
  | 'DATABASE_SHARED' // open through another copy of SQLite in the same process
  | 'WAL_CORRUPT'
  | 'REPLICA_FENCED' // another primary writes to the same replica
  // readers
  | 'REPLICA_EMPTY' // nothing has been replicated to the URL yet
  | 'REPLICA_RESET' // the replica was started anew, its TXIDs went back
  | 'REPLICA_STALE' // no contact with the store for longer than max-stale
  | 'REPLICA_CLOSED'
  | 'PAGE_TIMEOUT'
  | 'PAGE_UNAVAILABLE'
  | 'WORKER_EXITED'
  | 'WORKER_THREAD_READ' // a read on the worker's own thread, which would wait for itself
  | 'HYDRATION_CONFLICT'
  // restore and the rest
  | 'OUTPUT_EXISTS'
  | 'OUTPUT_BUSY' // another process restores to the output, or has it open
  | 'INTEGRITY_CHECK_FAILED'
  | 'CONFIG_INVALID'
  | 'INVALID_ARGUMENT'
  | 'NATIVE_MISSING'

export interface ErrorDetails {
  /** What a person should do next, as one sentence. */
  readonly hint?: string
  readonly cause?: unknown
  /** The file, key or URL the error is about; never with credentials in it. */
  readonly file?: string
  /** Byte offset in `file`. */
  readonly offset?: number
  readonly pgno?: number
  /** The store's id of the failed request. */
  readonly requestId?: string
}

/** The one error class of the package; `code` says what happened, `hint` what to do about it. */
export class LitestreamError extends Error {
  override readonly name = 'LitestreamError'
  readonly code: ErrorCode
  readonly hint?: string
  readonly file?: string
  readonly offset?: number
  readonly pgno?: number
  readonly requestId?: string

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.code = code
    if (details.hint !== undefined) this.hint = details.hint
    if (details.file !== undefined) this.file = details.file
    if (details.offset !== undefined) this.offset = details.offset
    if (details.pgno !== undefined) this.pgno = details.pgno
    if (details.requestId !== undefined) this.requestId = details.requestId
  }
}

/** Whether `error` is a LitestreamError, and of one of the codes, if any are given. */
export function isLitestreamError(error: unknown, ...codes: ErrorCode[]): error is LitestreamError {
  return error instanceof LitestreamError && (codes.length === 0 || codes.includes(error.code))
}

/** What was thrown, as a LitestreamError: STORAGE_FAILED for whatever came from somewhere else. */
export function toLitestreamError(error: unknown): LitestreamError {
  if (error instanceof LitestreamError) return error
  return new LitestreamError('STORAGE_FAILED', error instanceof Error ? error.message : String(error), { cause: error })
}

/** What a worker thread sends to its owner instead of an Error: structured cloning would drop code and hint. */
export interface SerializedError extends ErrorDetails {
  readonly code: ErrorCode
  readonly message: string
}

export function serializeError(error: unknown): SerializedError {
  if (error instanceof LitestreamError) {
    const { code, message, hint, file, offset, pgno, requestId } = error
    const cause = error.cause instanceof Error ? error.cause.message : error.cause
    return {
      code,
      message,
      hint,
      file,
      offset,
      pgno,
      requestId,
      cause: cause === undefined ? undefined : String(cause),
    }
  }
  const message = error instanceof Error ? error.message : String(error)
  return { code: 'STORAGE_FAILED', message, cause: error instanceof Error ? error.stack : undefined }
}

export function deserializeError(error: SerializedError): LitestreamError {
  return new LitestreamError(error.code, error.message, error)
}
