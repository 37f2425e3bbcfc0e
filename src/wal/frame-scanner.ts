import { LitestreamError } from '../errors.js'
import { isCommit, MAX_COMMIT } from '../ltx/format.js'
import { native } from '../native/addon.js'
import type { WalFile } from './wal-file.js'
import { FRAME_HEADER_SIZE, type WalHeader, walSize } from './wal-header.js'
import type { WalPosition } from './wal-position.js'

/** A contiguous sequence of committed frames in one generation of the WAL. */
export interface FrameSpan {
  readonly start: WalPosition
  /**
   * Position in the WAL after the last commit of the span. If the scan found no commit, the
   * position is `start`.
   */
  readonly end: WalPosition
  /** Size of the database in pages after the last frame, or 0 if the span has no frames. */
  readonly commit: number
  /** Page number of each frame, in an array with `end.frames - start.frames` elements. */
  readonly pgnos: Uint32Array
}

export interface ScanLimits {
  /**
   * Number of frames at which the scan ends, counted from the start of the WAL. The wal-index had
   * this many committed frames when the caller read it.
   */
  readonly frames: number
  /**
   * Maximum size of the frames in bytes. The scan ends at the first commit that reaches `bytes`. A
   * single transaction that is larger than the maximum therefore exceeds the maximum.
   */
  readonly bytes: number
}

const READ_BYTES = 1024 * 1024

/**
 * The buffer into which scanWal() reads. One buffer per thread is sufficient, because a scan runs
 * synchronously. A new buffer per scan would cause most of a primary's garbage, and the system
 * would clear the memory pages of each new buffer.
 */
let readBuffer = new Uint8Array(0)

function bufferOf(size: number): Uint8Array<ArrayBuffer> {
  if (readBuffer.length < size) readBuffer = new Uint8Array(Math.min(2 * size, Math.max(size, READ_BYTES)))
  return readBuffer.subarray(0, size)
}

/**
 * Reads committed frames from `start` on. Verifies the salts and the checksum of every frame. The
 * span ends before an uncommitted frame, a frame of an older generation, or a damaged frame. The
 * scan needs 8 bytes of memory per frame and the buffer of the thread.
 */
export function scanWal(wal: WalFile, header: WalHeader, start: WalPosition, limits: ScanLimits): FrameSpan {
  const { pageSize, bigEndian } = header
  const frameSize = FRAME_HEADER_SIZE + pageSize
  const perRead = Math.max(1, Math.min(Math.floor(READ_BYTES / frameSize), limits.frames - start.frames))
  const buffer = bufferOf(perRead * frameSize)
  const pgnos = new Uint32Array(perRead)
  const commits = new Uint32Array(perRead)
  const sum = Uint32Array.from(start.checksum)
  const found = new PgnoList()
  let committed = 0
  let commit = 0
  let checksum = start.checksum

  for (let next = start.frames; next < limits.frames; ) {
    const wanted = Math.min(perRead, limits.frames - next)
    const got = wal.readFrames(next, pageSize, buffer.subarray(0, wanted * frameSize))
    const frames = buffer.subarray(0, got - (got % frameSize))
    const valid = native.scanFrames(frames, pageSize, bigEndian, start.salt1, start.salt2, sum, pgnos, commits)
    found.append(pgnos, valid)
    let full = false
    for (let i = 0; i < valid && !full; i++) {
      if (commits[i] === 0) continue
      committed = next - start.frames + i + 1
      commit = commits[i]!
      if (!isCommit(commit)) throw impossibleCommit(wal.path, walSize(next + i, pageSize), commit)
      const view = new DataView(buffer.buffer, i * frameSize, FRAME_HEADER_SIZE)
      checksum = [view.getUint32(16), view.getUint32(20)]
      full = committed * frameSize >= limits.bytes
    }
    if (full || valid < wanted) break
    next += valid
  }

  const end = committed === 0 ? start : { ...start, frames: start.frames + committed, checksum }
  return { start, end, commit, pgnos: found.take(committed) }
}

function impossibleCommit(file: string, offset: number, commit: number): LitestreamError {
  const what = `the frame at offset ${offset} commits a database of ${commit} pages, but the maximum is ${MAX_COMMIT}`
  return new LitestreamError('WAL_CORRUPT', `${file}: ${what}`, {
    file,
    offset,
    hint: 'Check the disk for errors, and check the database with `PRAGMA integrity_check`.',
  })
}

/** The newest frame of each page in a span. The frames are in ascending order of page numbers. */
export interface NewestPages {
  readonly pgnos: Uint32Array
  /** Numbers of the frames in the WAL. The first frame of the WAL has the number 0. */
  readonly frames: Uint32Array
}

/**
 * Returns the newest frame of each page in a span. Excludes the lock page and the pages beyond
 * `commit`. Frames that were written before the database became smaller can contain such pages.
 */
export function newestPages(span: FrameSpan, commit: number, lockPgno: number): NewestPages {
  const count = span.pgnos.length
  const pgnos = new Uint32Array(count)
  const frames = new Uint32Array(count)
  const used = native.newestFrames(span.pgnos, count, commit, lockPgno, pgnos, frames)
  for (let i = 0; i < used; i++) frames[i]! += span.start.frames
  return { pgnos: pgnos.subarray(0, used), frames: frames.subarray(0, used) }
}

class PgnoList {
  #values = new Uint32Array(1024)
  #count = 0

  append(values: Uint32Array, count: number): void {
    if (this.#count + count > this.#values.length) {
      const grown = new Uint32Array(Math.max(2 * this.#values.length, this.#count + count))
      grown.set(this.#values.subarray(0, this.#count))
      this.#values = grown
    }
    this.#values.set(values.subarray(0, count), this.#count)
    this.#count += count
  }

  take(count: number): Uint32Array {
    return this.#values.subarray(0, count)
  }
}
