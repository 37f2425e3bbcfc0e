import { native } from '../../src/native/addon.js'
import { XXH32_STATE_SIZE } from '../../src/native/lz4-frame.js'

const BLOCK = 65536

function hash(bytes: Uint8Array): number {
  const state = new Uint8Array(XXH32_STATE_SIZE)
  native.xxh32(state)
  return native.xxh32(state, bytes)
}

function u32(n: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(n >>> 0)
  return bytes
}

/** An LZ4 frame with all checksums, of blocks of 64 KiB, every other one stored as it is. */
export function lz4Frame(data: Uint8Array): Buffer {
  const descriptor = Buffer.from([0x40 | 0x20 | 0x10 | 0x04, 0x40])
  const parts: Uint8Array[] = [u32(0x184d2204), descriptor, Buffer.from([(hash(descriptor) >>> 8) & 0xff])]
  for (let at = 0; at < data.length; at += BLOCK) {
    const raw = data.subarray(at, at + BLOCK)
    let block = raw
    let word = 0x80000000
    if (raw.length === BLOCK && (at / BLOCK) % 2 === 0) {
      // The payload of a page frame is an LZ4 block.
      const out = Buffer.alloc(2 * BLOCK)
      const used = native.encodeFrames(new BigUint64Array(1), BLOCK, Uint32Array.of(1), raw, out, new Uint32Array(1))
      if (used - 10 < BLOCK) {
        block = out.subarray(10, used)
        word = 0
      }
    }
    parts.push(u32(word + block.length), block, u32(hash(block)))
  }
  return Buffer.concat([...parts, u32(0), u32(hash(data))])
}
