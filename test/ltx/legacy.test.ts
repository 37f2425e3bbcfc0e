import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodeLtx } from '../../src/ltx/decoder.js'
import { CHECKSUM_FLAG, HEADER_SIZE, maxFrameSize } from '../../src/ltx/format.js'
import { encodeHeader } from '../../src/ltx/header.js'
import { encodePageIndex } from '../../src/ltx/page-index.js'
import { native } from '../../src/native/addon.js'
import { makePage, pieces } from './make.js'

const PAGE_SIZE = 4096

/** The LZ4 block that our own codec makes of a page. */
function lz4Block(page: Uint8Array): Buffer {
  const out = Buffer.alloc(maxFrameSize(PAGE_SIZE))
  const used = native.encodeFrames(new BigUint64Array(1), PAGE_SIZE, Uint32Array.of(1), page, out, new Uint32Array(1))
  return out.subarray(10, used)
}

function u32le(n: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(n >>> 0)
  return bytes
}

/**
 * LZ4 frames of one page in the forms that writers made: headers with their well-known header
 * checksums.
 */
const frames: Record<string, (page: Uint8Array) => Buffer> = {
  'one compressed block': (page) => {
    const block = lz4Block(page)
    return Buffer.concat([Buffer.from('04224d18604082', 'hex'), u32le(block.length), block, u32le(0)])
  },
  'stored blocks and a content checksum': (page) => {
    const half = PAGE_SIZE / 2
    const stored = (bytes: Uint8Array) => Buffer.concat([u32le(0x80000000 | bytes.length), bytes])
    const blocks = [stored(page.subarray(0, half)), stored(page.subarray(half))]
    return Buffer.concat([Buffer.from('04224d186440a7', 'hex'), ...blocks, u32le(0), u32le(0x12345678)])
  },
}

/** A file with frames of the older form: page header without the size flag, then an LZ4 frame. */
function legacyFile(pages: Uint8Array[], frameOf: (page: Uint8Array) => Buffer): Buffer {
  const header = encodeHeader({
    flags: 2, pageSize: PAGE_SIZE, commit: pages.length, minTxid: 1, maxTxid: 1, timestamp: 1, preApplyChecksum: 0n,
    walOffset: 0, walSize: 0, walSalt1: 0, walSalt2: 0, nodeId: 0n,
  }) // biome-ignore format: one line says it
  const parts: Uint8Array[] = [header]
  const index = {
    count: pages.length,
    pgnos: new Uint32Array(pages.length),
    offsets: new Float64Array(pages.length),
    sizes: new Uint32Array(pages.length),
  }
  let crc = native.crc64(0n, header)
  let at = HEADER_SIZE
  pages.forEach((page, i) => {
    const pageHeader = Buffer.alloc(6)
    pageHeader.writeUInt32BE(i + 1)
    const frame = frameOf(page)
    parts.push(pageHeader, frame)
    crc = native.crc64(native.crc64(crc, pageHeader), page)
    index.pgnos[i] = i + 1
    index.offsets[i] = at
    index.sizes[i] = 6 + frame.length
    at += 6 + frame.length
  })
  const end = Buffer.concat([new Uint8Array(6), encodePageIndex(index), new Uint8Array(8)])
  const sum = Buffer.alloc(8)
  sum.writeBigUInt64BE(native.crc64(crc, end) | CHECKSUM_FLAG)
  return Buffer.concat([...parts, end, sum])
}

for (const [name, frameOf] of Object.entries(frames)) {
  test(`a file whose payloads are LZ4 frames can be decoded: ${name}`, async () => {
    const pages = [1, 2, 3].map((seed) => makePage(PAGE_SIZE, seed))
    const file = legacyFile(pages, frameOf)
    for (const cuts of [[], Array.from({ length: file.length }, (_, i) => i)]) {
      const ltx = await decodeLtx(pieces(file, cuts), 'a.ltx')
      const back: Buffer[] = []
      for await (const batch of ltx.batches) back.push(Buffer.from(batch.pages))
      assert.equal(Buffer.compare(Buffer.concat(back), Buffer.concat(pages)), 0)
    }
  })

  test(`damage in any byte of an LZ4 frame is detected: ${name}`, async () => {
    const file = legacyFile([makePage(PAGE_SIZE, 1)], frameOf)
    const undetected: number[] = []
    for (let i = HEADER_SIZE; i < file.length; i++) {
      const bad = Buffer.from(file)
      bad[i]! ^= 0x04
      try {
        for await (const _ of (await decodeLtx(pieces(bad), 'a.ltx')).batches);
        undetected.push(i)
      } catch (error) {
        assert.equal((error as { code: string }).code, 'LTX_CORRUPT')
      }
    }
    // The LZ4 frame's own checksums, and flags that change nothing about one page, are all that may
    // differ unnoticed.
    assert.ok(undetected.length <= 8, String(undetected))
  })
}
