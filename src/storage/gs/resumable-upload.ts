import { isLitestreamError, LitestreamError } from '../../errors.js'
import { timeoutSignal } from '../../util/timers.js'
import type { Pieces, StoredObject } from '../objects/object-store.js'
import type { Requests, Subject } from '../objects/requests.js'
import { isPassing } from '../retry.js'
import { unconfirmed } from '../unconfirmed.js'
import type { GsHttp, GsReply } from './http.js'

/** Status of the response to a piece of an upload after which the store expects more pieces. */
const RESUME_INCOMPLETE = 308
/** Status of the response when the client cancels an upload. */
const CLIENT_CLOSED = 499

interface ResumableOptions {
  readonly begin: { readonly url: string; readonly body: string }
  /** Requests the metadata of the object that is being uploaded. */
  readonly head: (signal: AbortSignal) => Promise<StoredObject>
  /** The unique ID of an upload, stored in the metadata of the object that the upload created. */
  readonly uploadId: string | undefined
}

/**
 * A resumable upload to Google Cloud Storage. The client sends the pieces in order to an upload
 * session. The object becomes visible with the final piece. After a temporary fault, the client
 * asks the session how many bytes the session has, and sends the missing bytes of the piece.
 * Source: the section "Resumable uploads" in the documentation of Cloud Storage.
 */
export class GsResumableUpload {
  readonly #http: GsHttp
  readonly #requests: Requests
  readonly #subject: Subject
  readonly #options: ResumableOptions
  readonly #what: string
  /** The URL of the upload session, which is also the credential of the session. */
  #session = ''
  /** Number of bytes that the store has confirmed. */
  #stored = 0
  #done = false

  constructor(http: GsHttp, requests: Requests, subject: Subject, options: ResumableOptions) {
    this.#http = http
    this.#requests = requests
    this.#subject = subject
    this.#options = options
    this.#what = `${subject.doing} ${subject.target}`
  }

  /** Sends all pieces of the object. Returns the size of the object in bytes. */
  async run(pieces: Pieces): Promise<number> {
    const { url, body } = this.#options.begin
    const headers = { 'content-type': 'application/json', 'x-upload-content-type': 'application/octet-stream' }
    const begun = await this.#requests.retried(
      this.#subject,
      () => (signal) => this.#http.done({ method: 'POST', url, headers, body, signal }),
    )
    const { location } = begun.headers
    if (!location) throw unconfirmed(this.#what, 'the reply does not name an upload session')
    this.#session = location
    let size = 0
    try {
      for (let piece = await pieces.next(); piece !== undefined; piece = await pieces.next()) {
        await this.#send(piece, size, pieces.ended ? size + piece.byteLength : undefined)
        size += piece.byteLength
        this.#requests.counters.bytes('PUT', piece.byteLength)
      }
      return size
    } catch (error) {
      await this.#abandon()
      throw error
    }
  }

  /**
   * Sends one piece. The piece begins at the offset `start`. `total` is the size of the object. The
   * caller passes `total` only with the final piece, and undefined with the others.
   */
  async #send(piece: Uint8Array, start: number, total: number | undefined): Promise<void> {
    const end = start + piece.byteLength
    let lost = 0
    try {
      await this.#requests.retried(
        this.#subject,
        (before) => async (signal) => {
          lost = before
          if (before > 0) await this.#resume(start, end, total, signal)
          if (this.#done || (total === undefined && this.#stored === end)) return
          const data = piece.subarray(this.#stored - start)
          const range = `bytes ${this.#stored}-${end - 1}/${total ?? '*'}`
          this.#take(
            await this.#put(range, Buffer.from(data.buffer, data.byteOffset, data.byteLength), signal),
            end,
            total,
          )
          if (!this.#done && (total !== undefined || this.#stored < end)) {
            throw unconfirmed(
              this.#what,
              `the store has only ${this.#stored} bytes of the object after ${end} bytes were sent`,
            )
          }
        },
        this.#requests.firstByte(piece.byteLength),
      )
    } catch (error) {
      // If the lost response belonged to the final piece, the object is complete. The next request
      // fails then, because the name is taken and the upload session no longer exists.
      const doubtful = isPassing(error) || (lost > 0 && isLitestreamError(error, 'PRECONDITION_FAILED', 'NOT_FOUND'))
      if (total === undefined || !doubtful || !(await this.#isOwn(total))) throw error
      this.#done = true
    }
  }

  /** Asks the upload session how many bytes the session has. */
  async #resume(start: number, end: number, total: number | undefined, signal: AbortSignal): Promise<void> {
    this.#take(await this.#put(`bytes */${total ?? '*'}`, undefined, signal), end, total)
    if (!this.#done && this.#stored < start) {
      throw new LitestreamError('STORAGE_FAILED', `${this.#what} failed: the store lost bytes that it had confirmed`, {
        hint: 'Wait: the upload is repeated automatically. If this error occurs again, check the status page of Google Cloud.',
      })
    }
  }

  #put(range: string, body: Buffer | undefined, signal: AbortSignal): Promise<GsReply> {
    const headers = { 'content-range': range, 'content-length': String(body?.byteLength ?? 0) }
    const request = { method: 'PUT', url: this.#session, headers, signal, ...(body !== undefined && { body }) } as const
    return this.#http.done(request, [RESUME_INCOMPLETE])
  }

  #take({ status, headers }: GsReply, end: number, total: number | undefined): void {
    if (status !== RESUME_INCOMPLETE) {
      if (total === undefined)
        throw unconfirmed(this.#what, `the store ended the upload with status ${status} before the last byte`)
      this.#done = true
      return
    }
    // A response without a Range header means that the session has no bytes.
    const [, last] = /^bytes=0-(\d+)$/.exec(headers.range ?? '') ?? []
    this.#stored = last === undefined ? 0 : Number(last) + 1
    if (this.#stored > end)
      throw unconfirmed(
        this.#what,
        `the store has ${this.#stored} bytes of the object, but only ${end} bytes were sent`,
      )
  }

  /** Whether the object under the key is the object that this upload has sent. */
  async #isOwn(size: number): Promise<boolean> {
    if (this.#subject.signal?.aborted || this.#requests.closing.aborted) return false
    try {
      const subject = { ...this.#subject, operation: 'HEAD' } as const
      const found = await this.#requests.once(subject, this.#options.head)
      return found.size === size && found.uploadId === this.#options.uploadId
    } catch (failure) {
      // The caller throws the error of the upload, so the error of the HEAD request is not
      // reported.
      if (failure instanceof LitestreamError) return false
      throw failure
    }
  }

  /**
   * Cancels the upload session. Ignores an error of the cancellation, because the caller throws the
   * error of the upload. Even without a cancellation, the store ends the session after a week.
   */
  async #abandon(): Promise<void> {
    if (this.#done) return
    const signal = timeoutSignal(this.#subject.signal?.aborted ? 2_000 : 10_000)
    const subject: Subject = { ...this.#subject, operation: 'DELETE', signal }
    try {
      await this.#requests.once(subject, (limit) =>
        this.#http.done({ method: 'DELETE', url: this.#session, signal: limit }, [CLIENT_CLOSED]),
      )
    } catch (error) {
      if (!(error instanceof LitestreamError)) throw error
    }
  }
}
