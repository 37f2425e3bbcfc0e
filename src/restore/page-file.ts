import type { FileHandle } from 'node:fs/promises'
import type { LitestreamError } from '../errors.js'
import { fsError } from '../fs/fs-error.js'
import { datasyncHandle, syncHandle } from '../fs/handle.js'
import { openForUpdate } from '../fs/open-for-writing.js'
import type { PageBatch } from '../ltx/decoder.js'
import { native } from '../native/addon.js'
import { systemError } from '../util/system-error.js'
import type { SegmentSum } from './frame-segments.js'

/**
 * After this many bytes the kernel is asked to start writing, so that the disk works while pages
 * are still decoded.
 */
const FLUSH_EVERY = 64 * 1024 * 1024

/** A range of the file in bytes; empty if the size is 0. */
export interface FileRange {
  readonly position: number
  readonly size: number
}

export const NO_RANGE: FileRange = { position: 0, size: 0 }

/** Consecutive frames of a file, and their entries in its page index. */
export interface EncodedPages {
  readonly frames: Uint8Array
  readonly pgnos: Uint32Array
  readonly sizes: Uint32Array
  /** By position: 0 for a page that is not written. */
  readonly wanted: Uint8Array
  /** Room for decoded pages, two or more. */
  readonly room: Uint8Array
}

/**
 * A database file under construction: pages are written in place and in any order; unwritten pages
 * read as zeros.
 */
export class PageFile {
  readonly #handle: FileHandle
  readonly #path: string
  readonly #pageSize: number
  #unflushed = 0
  #flushing: Promise<void> | undefined

  /** `handle` is the open file at `path`; the caller closes it. */
  constructor(handle: FileHandle, path: string, pageSize: number) {
    this.#handle = handle
    this.#path = path
    this.#pageSize = pageSize
  }

  /** Opens `path`, which must exist. */
  static async open(path: string, pageSize: number): Promise<PageFile> {
    try {
      return new PageFile(await openForUpdate(path), path, pageSize)
    } catch (error) {
      throw fsError(error, 'opening', path)
    }
  }

  /** Truncates or extends the file to `commit` pages. */
  async resize(commit: number): Promise<void> {
    try {
      await this.#handle.truncate(commit * this.#pageSize)
    } catch (error) {
      throw this.#failed(error)
    }
  }

  /**
   * Writes the pages of a batch that `wanted` selects, adjacent ones together, and returns their
   * number. The buffers may be reused when it resolves.
   */
  async write({ pgnos, pages, count }: PageBatch, wanted: (pgno: number) => boolean = () => true): Promise<number> {
    const mask = new Uint8Array(count)
    let written = 0
    for (let i = 0; i < count; i++) if (wanted(pgnos[i]!)) written += mask[i] = 1
    if (written === 0) return 0
    const errno = await native.writePages(this.#handle.fd, this.#pageSize, pgnos, pages, mask)
    if (errno !== 0) throw this.#failed(systemError(errno, 'write'))
    this.#wrote(written)
    return written
  }

  /**
   * Decodes frames of a file, and writes the pages that `wanted` has. `flush`: a range of the
   * database that the disk is asked to write then; `drop`: a range flushed before, whose memory in
   * the page cache is used again. Returns undefined if the frames are damaged or others than those
   * of the index; some pages may have been written. The arrays may be reused when it resolves.
   */
  async writeFrames(pages: EncodedPages, flush: FileRange, drop: FileRange): Promise<SegmentSum | undefined> {
    const { frames, pgnos, sizes, wanted, room } = pages
    const ranges = Float64Array.of(flush.position, flush.size, drop.position, drop.size)
    const result = new BigUint64Array(2)
    const { fd } = this.#handle
    const status = await native.writeFrames(fd, this.#pageSize, frames, pgnos, sizes, wanted, room, result, ranges)
    if (status > 0) throw this.#failed(systemError(status, 'write'))
    if (status !== 0) return undefined
    // Elsewhere the ranges are ignored.
    if (process.platform !== 'linux') this.#wrote(pgnos.length)
    return { crc: result[0]!, length: Number(result[1]!) }
  }

  #wrote(pages: number): void {
    this.#unflushed += pages * this.#pageSize
    if (this.#unflushed >= FLUSH_EVERY && !this.#flushing) this.#flush()
  }

  /** A failure here also fails sync(), which waits for it. */
  #flush(): void {
    this.#unflushed = 0
    this.#flushing = datasyncHandle(this.#handle).finally(() => {
      this.#flushing = undefined
    })
    this.#flushing.catch(() => {})
  }

  async sync(): Promise<void> {
    try {
      await this.#flushing
      await syncHandle(this.#handle)
    } catch (error) {
      throw this.#failed(error)
    }
  }

  async close(): Promise<void> {
    await this.#flushing?.catch(() => {})
    await this.#handle.close()
  }

  #failed(error: unknown): LitestreamError {
    return fsError(error, 'writing', this.#path)
  }
}
