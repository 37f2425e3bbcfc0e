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
 * After every FLUSH_EVERY bytes, the operating system is asked to write the new pages to the disk,
 * so that the disk works while further pages are decoded.
 */
const FLUSH_EVERY = 64 * 1024 * 1024

/** A range of the database file in bytes. A range of size 0 is empty. */
export interface FileRange {
  readonly position: number
  readonly size: number
}

export const NO_RANGE: FileRange = { position: 0, size: 0 }

/** Consecutive frames of an LTX file, and the entries of these frames in the page index. */
export interface EncodedPages {
  readonly frames: Uint8Array
  readonly pgnos: Uint32Array
  readonly sizes: Uint32Array
  /**
   * For each frame, the value 1 if the frame's page is written to the database file, otherwise 0.
   */
  readonly wanted: Uint8Array
  /** Memory for at least two decoded pages. */
  readonly room: Uint8Array
}

/**
 * A database file under construction. Pages may be written in any order. Each page is written at
 * its place in the database file. Pages that were not written read as zeros.
 */
export class PageFile {
  readonly #handle: FileHandle
  readonly #path: string
  readonly #pageSize: number
  #unflushed = 0
  #flushing: Promise<void> | undefined

  /** `handle` is the open database file at `path`. The caller closes `handle`. */
  constructor(handle: FileHandle, path: string, pageSize: number) {
    this.#handle = handle
    this.#path = path
    this.#pageSize = pageSize
  }

  /** Opens the database file at `path`. The database file must exist. */
  static async open(path: string, pageSize: number): Promise<PageFile> {
    try {
      return new PageFile(await openForUpdate(path), path, pageSize)
    } catch (error) {
      throw fsError(error, 'opening', path)
    }
  }

  /** Truncates or extends the database file to `commit` pages. */
  async resize(commit: number): Promise<void> {
    try {
      await this.#handle.truncate(commit * this.#pageSize)
    } catch (error) {
      throw this.#failed(error)
    }
  }

  /**
   * Writes the pages of a batch that `wanted` selects. Adjacent pages are written together. Returns
   * the number of written pages. The caller may reuse the buffers when the promise resolves.
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
   * Decodes frames of an LTX file. Writes the pages that `pages.wanted` selects. After the pages
   * were written, the operating system starts to write the range `flush` of the database file to
   * the disk. `drop` is a range that was flushed earlier, and that is removed from the page cache
   * of the operating system. Returns undefined if the frames are damaged or contradict the page
   * index. If it returns undefined, some pages may have been written nevertheless. The caller may
   * reuse the arrays when the promise resolves.
   */
  async writeFrames(pages: EncodedPages, flush: FileRange, drop: FileRange): Promise<SegmentSum | undefined> {
    const { frames, pgnos, sizes, wanted, room } = pages
    const ranges = Float64Array.of(flush.position, flush.size, drop.position, drop.size)
    const result = new BigUint64Array(2)
    const { fd } = this.#handle
    const status = await native.writeFrames(fd, this.#pageSize, frames, pgnos, sizes, wanted, room, result, ranges)
    if (status > 0) throw this.#failed(systemError(status, 'write'))
    if (status !== 0) return undefined
    // Only Linux uses the ranges `flush` and `drop`. On operating systems other than Linux, the
    // whole file is flushed at intervals.
    if (process.platform !== 'linux') this.#wrote(pgnos.length)
    return { crc: result[0]!, length: Number(result[1]!) }
  }

  #wrote(pages: number): void {
    this.#unflushed += pages * this.#pageSize
    if (this.#unflushed >= FLUSH_EVERY && !this.#flushing) this.#flush()
  }

  /**
   * Starts to write the database file to the disk. If this write to the disk fails, sync() also
   * fails, because sync() waits for the write.
   */
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
