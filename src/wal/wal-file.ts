import { closeSync, fstatSync, readSync } from 'node:fs'
import { LitestreamError } from '../errors.js'
import { openRegularSync } from '../fs/open-regular-sync.js'
import { native } from '../native/addon.js'
import { FRAME_HEADER_SIZE, parseWalHeader, WAL_HEADER_SIZE, type WalHeader, walSize } from './wal-header.js'

/** The header of a frame in the WAL. */
export interface FrameHeader {
  readonly pgno: number
  /** Size of the database in pages if the frame ends a transaction, otherwise 0. */
  readonly commit: number
  readonly salt1: number
  readonly salt2: number
  readonly checksum: readonly [number, number]
}

/**
 * A -wal file that is open for reading. The WalFile may close its file descriptor at any time,
 * because SQLite holds no locks on the -wal file. In contrast, closing a descriptor of the database
 * or of the -shm would release SQLite's POSIX locks.
 */
export class WalFile {
  readonly path: string
  readonly inode: bigint
  readonly #fd: number

  /** Opens the file. Throws the system's error with its code if opening the file fails. */
  constructor(path: string) {
    this.path = path
    this.#fd = openRegularSync(path)
    this.inode = fstatSync(this.#fd, { bigint: true }).ino
  }

  /** The descriptor of the open -wal file. The WalFile owns the descriptor and closes it. */
  get descriptor(): number {
    return this.#fd
  }

  /** Size of the -wal file in bytes. */
  get size(): number {
    return fstatSync(this.#fd).size
  }

  /**
   * Returns the header of the WAL. Returns undefined if the WAL has no header, or a header with a
   * wrong checksum. Throws WAL_CORRUPT if the file is not a WAL.
   */
  header(): WalHeader | undefined {
    const bytes = new Uint8Array(WAL_HEADER_SIZE)
    const got = readSync(this.#fd, bytes, 0, bytes.length, 0)
    return parseWalHeader(bytes.subarray(0, got), this.path)
  }

  /**
   * Returns the header of frame `ordinal`, counted from 0. The header of the frame is not verified.
   * Returns undefined if the frame is beyond the end of the file.
   */
  frameHeader(ordinal: number, pageSize: number): FrameHeader | undefined {
    const bytes = new Uint8Array(FRAME_HEADER_SIZE)
    if (readSync(this.#fd, bytes, 0, bytes.length, walSize(ordinal, pageSize)) < bytes.length) return undefined
    const view = new DataView(bytes.buffer)
    return {
      pgno: view.getUint32(0),
      commit: view.getUint32(4),
      salt1: view.getUint32(8),
      salt2: view.getUint32(12),
      checksum: [view.getUint32(16), view.getUint32(20)],
    }
  }

  /**
   * Reads up to `out.length` bytes from the start of frame `ordinal` on. Returns the number of
   * bytes that were read.
   */
  readFrames(ordinal: number, pageSize: number, out: Uint8Array): number {
    let done = 0
    while (done < out.length) {
      const got = readSync(this.#fd, out, done, out.length - done, walSize(ordinal, pageSize) + done)
      if (got === 0) break
      done += got
    }
    return done
  }

  /**
   * Reads the pages of the given frames into `out`, one after the other. Throws WAL_CORRUPT if the
   * file is too short.
   */
  readPages(frames: Uint32Array, pageSize: number, out: Uint8Array): void {
    const offsets = Float64Array.from(frames, (frame) => walSize(frame, pageSize) + FRAME_HEADER_SIZE)
    const got = native.readPieces(this.#fd, offsets, pageSize, out)
    if (got === frames.length) return
    const offset = offsets[Math.max(0, got)]!
    throw new LitestreamError(
      'WAL_CORRUPT',
      got < 0
        ? `${this.path}: reading at offset ${offset} failed with errno ${-got}`
        : `${this.path} ends before byte ${offset}`,
      {
        file: this.path,
        offset,
        hint: 'Wait: another process truncated the WAL, and the next sync takes a snapshot.',
      },
    )
  }

  close(): void {
    closeSync(this.#fd)
  }
}
