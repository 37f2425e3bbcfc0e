import type { FileHandle } from 'node:fs/promises'
import { setTime } from '../../fs/handle.js'
import { openOwn } from '../../fs/open-for-writing.js'
import { native } from '../../native/addon.js'

/** Size of one block in bytes. The cache stores whole blocks only. */
export const BLOCK_SIZE = 16 * 1024
/** Number of blocks in a segment. A segment has 64 MiB. The cache evicts whole segments only. */
export const SEGMENT_BLOCKS = 4096
const SUM_SIZE = 8

/**
 * A part of one LTX file in the disk cache. A segment has a sparse file with blocks at their
 * offsets, and a file with one checksum per block. A block is present if its checksum is in the
 * checksum file and matches the block. A block that a crash or another process has left incomplete
 * therefore counts as missing. LTX files never change, so all processes write the same bytes.
 */
export class Segment {
  readonly #blocks: FileHandle
  readonly #sums: FileHandle
  readonly #known: BigUint64Array

  private constructor(blocks: FileHandle, sums: FileHandle, known: BigUint64Array) {
    this.#blocks = blocks
    this.#sums = sums
    this.#known = known
  }

  static async open(path: string): Promise<Segment> {
    const blocks = await openOwn(path)
    try {
      const sums = await openOwn(`${path}.sums`)
      const bytes = new Uint8Array(SEGMENT_BLOCKS * SUM_SIZE)
      await sums.read(bytes, 0, bytes.length, 0)
      return new Segment(blocks, sums, new BigUint64Array(bytes.buffer))
    } catch (error) {
      await blocks.close()
      throw error
    }
  }

  /**
   * Whether the segment has a checksum for the block. Only `read` compares the checksum with the
   * block's bytes.
   */
  has(block: number): boolean {
    return this.#known[block] !== 0n
  }

  /**
   * Reads the first `target.length` bytes of a block. Returns false if the block is absent or
   * damaged.
   */
  async read(block: number, target: Uint8Array): Promise<boolean> {
    const { bytesRead } = await this.#blocks.read(target, 0, target.length, block * BLOCK_SIZE)
    if (bytesRead === target.length && checksum(target) === this.#known[block]) return true
    this.#known[block] = 0n
    return false
  }

  async write(block: number, bytes: Uint8Array): Promise<void> {
    await this.#blocks.write(bytes, 0, bytes.length, block * BLOCK_SIZE)
    this.#known[block] = checksum(bytes)
    await this.#sums.write(
      new Uint8Array(this.#known.buffer, block * SUM_SIZE, SUM_SIZE),
      0,
      SUM_SIZE,
      block * SUM_SIZE,
    )
  }

  /**
   * Sets the segment's time of last use to the current time. Eviction deletes the segments with the
   * earliest times of last use.
   */
  async touch(): Promise<void> {
    await setTime(this.#blocks, Date.now())
  }

  /**
   * Whether another program or an eviction has removed a file of the segment. No process can find
   * blocks that are written to a removed segment.
   */
  async isRemoved(): Promise<boolean> {
    const stats = await Promise.all([this.#blocks.stat(), this.#sums.stat()])
    return stats.some(({ nlink }) => nlink === 0)
  }

  async close(): Promise<void> {
    await this.#blocks.close()
    await this.#sums.close()
  }
}

/** Returns the checksum of a block. The result is never 0, because 0 marks an absent block. */
function checksum(bytes: Uint8Array): bigint {
  const sum = native.crc64(0n, bytes)
  return sum === 0n ? 1n : sum
}
