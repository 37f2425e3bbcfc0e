import { isLitestreamError } from '../../errors.js'
import { corrupt } from '../../ltx/corrupt.js'
import { native } from '../../native/addon.js'
import { FRAME_HEADER_SIZE, parseWalHeader, WAL_HEADER_SIZE, type WalHeader } from '../../wal/wal-header.js'

/**
 * Maximum number of bytes by which a database may be larger than its file and its WAL together.
 * SQLite accepts a database that is larger by at most SLACK.
 */
const SLACK = 65_536

/**
 * Checks the WAL of one index. The check follows the rules by which SQLite copies the WAL into the
 * database. Frames are valid up to the first frame with another salt or a wrong checksum. A commit
 * must not claim more pages than the database and the WAL can hold. A V3WalCheck needs memory for
 * one frame, in addition to the bytes that the caller passes.
 */
export class V3WalCheck {
  readonly #name: string
  #header: WalHeader | undefined
  #sum = new Uint32Array(2)
  #rest: Uint8Array = new Uint8Array(0)
  #ended = false
  #frames = 0
  #committed = 0
  #commit = 0

  /** `name` is the name of the first segment of the WAL, for error messages. */
  constructor(name: string) {
    this.#name = name
  }

  /** Checks the next bytes of the WAL. */
  add(bytes: Uint8Array): void {
    if (this.#ended) return
    let data = Buffer.concat([this.#rest, bytes])
    if (!this.#header) {
      if (data.length < WAL_HEADER_SIZE) {
        this.#rest = data
        return
      }
      this.#header = this.#parseHeader(data)
      this.#ended = !this.#header
      if (!this.#header) return
      this.#sum = Uint32Array.from(this.#header.checksum)
      data = data.subarray(WAL_HEADER_SIZE)
    }
    this.#rest = this.#scan(data, this.#header)
  }

  #parseHeader(bytes: Uint8Array): WalHeader | undefined {
    try {
      return parseWalHeader(bytes, this.#name)
    } catch (error) {
      if (isLitestreamError(error, 'WAL_CORRUPT')) return undefined
      throw error
    }
  }

  /** Checks complete frames. Returns the bytes of the incomplete frame at the end of `data`. */
  #scan(data: Uint8Array, { pageSize, bigEndian, salt1, salt2 }: WalHeader): Uint8Array {
    const frameSize = FRAME_HEADER_SIZE + pageSize
    const count = Math.floor(data.length / frameSize)
    const frames = data.subarray(0, count * frameSize)
    const commits = new Uint32Array(count)
    const valid = native.scanFrames(
      frames,
      pageSize,
      bigEndian,
      salt1,
      salt2,
      this.#sum,
      new Uint32Array(count),
      commits,
    )
    for (let i = 0; i < valid; i++) {
      if (commits[i] === 0) continue
      this.#commit = commits[i]!
      this.#committed = this.#frames + i + 1
    }
    this.#frames += valid
    this.#ended = valid < count
    return data.subarray(frames.length)
  }

  /**
   * The caller must call end() after the last byte of the WAL. `size` is the size of the database
   * in bytes before SQLite applies the WAL. Returns the size of the database in bytes after SQLite
   * has applied the WAL. Throws LTX_CORRUPT if SQLite could not apply the WAL.
   */
  end(size: number): number {
    // SQLite would ignore a WAL without a valid header without an error, and the restored database
    // would lack the commits in the WAL.
    if (this.#ended && !this.#header) throw corrupt('the file does not begin with a WAL header', this.#name, 0)
    if (this.#commit === 0 || !this.#header) return size
    const { pageSize } = this.#header
    const after = this.#commit * pageSize
    if (after <= size + SLACK + this.#committed * pageSize) return after
    const what = `the WAL commits a database of ${this.#commit} pages, but has only ${this.#committed} frames`
    throw corrupt(what, this.#name, 0)
  }
}
