import { LitestreamError } from '../../errors.js'
import { throwIfAborted } from '../../util/abort.js'
import { elapsedMs } from '../../util/elapsed.js'
import { retrying } from '../retry.js'
import { isUnsupported, sftpError } from './errors.js'
import { BLOCK, type Handle, type RemoteFiles } from './remote-files.js'
import type { SftpSession, Subject } from './session.js'

/**
 * Maximum number of unanswered write requests for one file. 64 blocks of 31 KiB have about 2 MB, as
 * many as in Litestream.
 */
const WINDOW = 64

interface Block {
  readonly position: number
  readonly data: Buffer
  sent: Promise<void>
}

export interface UploadOptions {
  /**
   * LTX timestamp in milliseconds since the epoch. The client stores the timestamp as the mtime of
   * the file, in whole seconds.
   */
  readonly timestamp: number
  /**
   * Whether the upload may send a block before the server has answered the previous block. If
   * `concurrent` is false, the upload waits for each answer before it sends the next block.
   */
  readonly concurrent: boolean
}

/**
 * Writes a body to the new file `path`. `path` is a temporary name. Makes the file durable if the
 * server supports fsync@openssh.com. Keeps each block in memory until the server has answered the
 * write request of the block. After a lost connection, the upload opens the file again and repeats
 * the unanswered write requests. Returns the size of the file in bytes. Throws LitestreamErrors, or
 * errors of the body.
 */
export async function uploadTo(
  session: SftpSession,
  subject: Subject,
  path: string,
  body: Uint8Array | AsyncIterable<Uint8Array>,
  { timestamp, concurrent }: UploadOptions,
): Promise<number> {
  const upload = new Upload(session, subject, path)
  try {
    await upload.begin()
    const window = concurrent ? WINDOW : 1
    for await (const data of blocksOf(body)) {
      throwIfAborted(subject.signal, `${subject.doing} ${session.target(subject.path)}`)
      await upload.write(data, window)
    }
    await upload.finish(Math.max(0, Math.floor(timestamp / 1000)))
    return upload.size
  } catch (error) {
    upload.abandon()
    throw error
  }
}

class Upload {
  readonly #session: SftpSession
  readonly #subject: Subject
  readonly #path: string
  readonly #inFlight: Block[] = []
  #open: { readonly files: RemoteFiles; readonly handle: Handle } | undefined
  #lastProgress = elapsedMs()
  size = 0

  constructor(session: SftpSession, subject: Subject, path: string) {
    this.#session = session
    this.#subject = subject
    this.#path = path
  }

  async begin(): Promise<void> {
    const files = await this.#session.files(this.#subject)
    this.#open = { files, handle: await files.create(this.#path) }
  }

  /** Sends a block as soon as fewer than `window` blocks are unanswered. */
  async write(data: Buffer, window: number): Promise<void> {
    while (this.#inFlight.length >= window) await this.#settleFirst()
    const block: Block = { position: this.size, data, sent: Promise.resolve() }
    this.size += data.length
    this.#inFlight.push(block)
    this.#send(block)
  }

  #send(block: Block): void {
    const { files, handle } = this.#open!
    block.sent = files.write(handle, block.data, block.position)
    block.sent.catch(() => undefined) // awaited later, in order
  }

  async #settleFirst(): Promise<void> {
    const [block] = this.#inFlight
    try {
      await block!.sent
      this.#inFlight.shift()
      this.#lastProgress = elapsedMs()
    } catch (error) {
      await this.#recover(await this.#explained(error))
    }
  }

  /**
   * Waits for the answers to all blocks, sets the mtime of the file, makes the file durable and
   * closes it.
   */
  async finish(mtime: number): Promise<void> {
    while (this.#inFlight.length > 0) await this.#settleFirst()
    for (;;) {
      try {
        const { files, handle } = this.#open!
        await files.setTime(handle, mtime)
        await unlessUnsupported(files.fsync(handle))
        await files.close(handle)
        this.#open = undefined
        return
      } catch (error) {
        await this.#recover(await this.#explained(error))
      }
    }
  }

  /**
   * Opens the file on a new connection and sends all unanswered blocks again. Throws if the error
   * is permanent, or if the policy allows no more attempts.
   */
  async #recover(failure: LitestreamError): Promise<void> {
    let last: LitestreamError | undefined = failure
    const { doing, path, operation, signal } = this.#subject
    await retrying(
      async () => {
        if (last !== undefined) {
          const error = last
          last = undefined
          throw error
        }
        await this.#session.typed(this.#subject, async () => {
          const files = await this.#session.files(this.#subject)
          this.#open = { files, handle: await files.openToWrite(this.#path) }
          for (const block of this.#inFlight) this.#send(block)
          while (this.#inFlight.length > 0) {
            await this.#inFlight[0]!.sent
            this.#inFlight.shift()
            this.#lastProgress = elapsedMs()
          }
        })
      },
      {
        policy: this.#session.policy,
        what: `${doing} ${this.#session.target(path)}`,
        signal,
        closing: this.#session.closing,
        counters: this.#session.counters,
        operation,
        lastProgress: () => this.#lastProgress,
      },
    )
  }

  /**
   * Converts an error of a write to a LitestreamError. OpenSSH reports all failures with the same
   * status. To detect a full disk, #explained() therefore asks for the free space.
   */
  async #explained(thrown: unknown): Promise<LitestreamError> {
    const { doing, path } = this.#subject
    const target = this.#session.target(path)
    const error = sftpError(thrown, doing, target)
    if (error.code !== 'STORAGE_FAILED' || this.#open === undefined) return error
    const free = await this.#open.files.freeBytes(this.#open.handle)
    if (free === undefined || free >= BLOCK) return error
    return new LitestreamError('DISK_FULL', `${doing} ${target} failed: the disk of the SFTP server is full`, {
      cause: thrown,
      file: target,
      hint: 'Free disk space on the SFTP server, or raise the disk quota of the SFTP user.',
    })
  }

  abandon(): void {
    if (this.#open !== undefined) this.#open.files.closeLater(this.#open.handle)
  }
}

async function unlessUnsupported(request: Promise<void>): Promise<void> {
  try {
    await request
  } catch (error) {
    if (!isUnsupported(error)) throw error
  }
}

/**
 * Divides the body into blocks, each in new memory. Each block has BLOCK bytes, except that the
 * final block may be shorter.
 */
async function* blocksOf(body: Uint8Array | AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  let block = Buffer.allocUnsafe(BLOCK)
  let length = 0
  for await (const chunk of body instanceof Uint8Array ? [body] : body) {
    for (let at = 0; at < chunk.byteLength; ) {
      const count = Math.min(chunk.byteLength - at, BLOCK - length)
      block.set(chunk.subarray(at, at + count), length)
      at += count
      length += count
      if (length < BLOCK) continue
      yield block
      block = Buffer.allocUnsafe(BLOCK)
      length = 0
    }
  }
  if (length > 0) yield block.subarray(0, length)
}
