import { isLitestreamError } from '../../errors.js'
import { corrupt } from '../../ltx/corrupt.js'
import { native } from '../../native/addon.js'
import { FRAME_HEADER_SIZE, parseWalHeader, WAL_HEADER_SIZE, type WalHeader } from '../../wal/wal-header.js'

/** SQLite accepts a database that is larger than its file and its WAL by this many bytes. */
const SLACK = 65_536

/**
 * Checks the WAL of one index as SQLite does when it copies the WAL into the database: frames count
 * up to the first with another salt or a wrong checksum, and no commit may claim more pages than
 * the database and the WAL can hold. Memory: one frame beyond the bytes that are passed.
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

  /** `name`: the first segment of the index, for messages. */
  constructor(name: string) {
    this.#name = name
  }

  /** Adds the next bytes of the WAL. */
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

  /** Returns the bytes of the incomplete frame at the end. */
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
   * Call this after the last byte of the WAL. `size`: the bytes of the database before; returns
   * those after. Throws LTX_CORRUPT.
   */
  end(size: number): number {
    // SQLite would ignore the WAL: the restored database would lack its commits without an error.
    if (this.#ended && !this.#header) throw corrupt('it does not begin with the header of a WAL', this.#name, 0)
    if (this.#commit === 0 || !this.#header) return size
    const { pageSize } = this.#header
    const after = this.#commit * pageSize
    if (after <= size + SLACK + this.#committed * pageSize) return after
    const what = `its WAL commits a database of ${this.#commit} pages, but it has ${this.#committed} frames`
    throw corrupt(what, this.#name, 0)
  }
}
