import { LitestreamError } from '../../errors.js'
import { ByteReader } from '../../ltx/byte-reader.js'
import { native } from '../../native/addon.js'
import { XXH32_STATE_SIZE } from '../../native/lz4-frame.js'

// The format is described at https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md
const MAGIC = 0x184d2204
const SKIPPABLE_MAGIC = 0x184d2a50
const STORED = 0x80000000
/**
 * Maximum distance in bytes between a position in the decoded data and the earlier data to which
 * the position refers.
 */
const HISTORY = 64 * 1024
const BLOCK_SIZES: Readonly<Record<number, number>> = {
  4: 64 * 1024,
  5: 256 * 1024,
  6: 1024 * 1024,
  7: 4 * 1024 * 1024,
}

/**
 * Decodes a stream of LZ4 frames one block at a time. Verifies every checksum. The caller may keep
 * and change the yielded buffers. For damaged data, throws LTX_CORRUPT with the name `file` and the
 * offset of the damage in the file.
 */
export async function* decodeLz4Frames(
  source: AsyncIterable<Uint8Array>,
  file: string,
): AsyncGenerator<Uint8Array, void, undefined> {
  const reader = new ByteReader(source)
  let at = 0
  const fault = (what: string) =>
    new LitestreamError('LTX_CORRUPT', `${file}: ${what} (offset ${at})`, {
      file,
      offset: at,
      hint: 'Restore to an earlier time with -timestamp, because an object of the backup is damaged or incomplete.',
    })
  const need = async (size: number) => {
    if (!(await reader.need(size))) throw fault('the LZ4 stream ends too early')
  }
  const u32 = async () => {
    await need(4)
    const { buffer, byteOffset } = reader.available
    const value = new DataView(buffer, byteOffset).getUint32(0, true)
    reader.take(4)
    at += 4
    return value
  }
  const take = async (size: number) => {
    await need(size)
    const bytes = reader.available.slice(0, size)
    reader.take(size)
    at += size
    return bytes
  }
  /** Skips `size` bytes of the stream. The skipped bytes may be more than would fit into memory. */
  const skip = async (size: number) => {
    for (let left = size; left > 0; ) {
      await need(1)
      const piece = Math.min(left, reader.available.length)
      reader.take(piece)
      at += piece
      left -= piece
    }
  }
  const hash = (bytes: Uint8Array) => {
    const state = new Uint8Array(XXH32_STATE_SIZE)
    native.xxh32(state)
    return native.xxh32(state, bytes)
  }
  try {
    while (await reader.need(1)) {
      const magic = await u32()
      if ((magic & 0xfffffff0) >>> 0 === SKIPPABLE_MAGIC) {
        await skip(await u32())
        continue
      }
      if (magic !== MAGIC) throw fault('not an LZ4 frame')
      await need(2)
      const flags = reader.available[0]!
      const independent = (flags & 0x20) !== 0
      const descriptor = await take(2 + ((flags & 0x08) !== 0 ? 8 : 0) + ((flags & 0x01) !== 0 ? 4 : 0))
      const blockSize = BLOCK_SIZES[(descriptor[1]! >> 4) & 7]
      if (flags >> 6 !== 1 || (flags & 0x01) !== 0 || blockSize === undefined) throw fault('unknown kind of LZ4 frame')
      if ((await take(1))[0] !== ((hash(descriptor) >>> 8) & 0xff)) throw fault('damaged LZ4 frame header')

      const content = new Uint8Array(XXH32_STATE_SIZE)
      let sum = native.xxh32(content)
      const window = new Uint8Array(HISTORY + blockSize)
      let history = 0
      for (;;) {
        const word = await u32()
        if (word === 0) break
        const size = word & ~STORED
        if (size > blockSize) throw fault('an LZ4 block is too large')
        const block = await take(size)
        if ((flags & 0x10) !== 0 && (await u32()) !== hash(block))
          throw fault('checksum of an LZ4 block does not match')
        let decoded: Uint8Array
        if ((word & STORED) !== 0) {
          decoded = block
          window.set(block, history)
        } else {
          const n = native.lz4Block(block, window.subarray(0, history + blockSize), history)
          if (n < 0) throw fault('an LZ4 block does not decompress')
          decoded = window.slice(history, history + n)
        }
        sum = native.xxh32(content, decoded)
        const end = history + decoded.length
        if (!independent) {
          history = Math.min(HISTORY, end)
          window.copyWithin(0, end - history, end)
        }
        yield decoded
      }
      if ((flags & 0x04) !== 0 && (await u32()) !== sum) throw fault('content checksum of an LZ4 frame does not match')
    }
  } finally {
    await reader.cancel()
  }
}
