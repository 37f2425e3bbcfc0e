import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isLitestreamError } from '../../src/errors.js'
import { decodeLtx } from '../../src/ltx/decoder.js'
import { inspectLtx } from '../../src/ltx/inspect.js'
import { verifyLtx } from '../../src/ltx/verify.js'
import { makeLtx, makePage, makeSnapshot, pieces } from './make.js'

async function faultOf(bytes: Uint8Array, cuts: number[] = []) {
  try {
    await verifyLtx(pieces(bytes, cuts), 'dir/a.ltx')
    return undefined
  } catch (error) {
    assert.ok(isLitestreamError(error, 'LTX_CORRUPT'), String(error))
    assert.equal(error.file, 'dir/a.ltx')
    assert.ok(error.message.startsWith('dir/a.ltx: ') && error.hint)
    assert.ok(error.offset !== undefined && error.offset <= bytes.length, error.message)
    return error
  }
}

const FILES = {
  snapshot: makeSnapshot(512, 2),
  increment: makeLtx(
    { pageSize: 512, commit: 300, minTxid: 300, maxTxid: 301, walOffset: 4152, walSize: 536, walSalt1: 7, walSalt2: 8 },
    new Map([
      [7, makePage(512, 1)],
      [299, new Uint8Array(512)],
    ]),
  ),
}

/** The header's fields and the pages of a file that decodes. */
async function contentOf(bytes: Uint8Array) {
  const ltx = await decodeLtx(pieces(bytes), 'dir/a.ltx')
  const pages: Buffer[] = []
  for await (const batch of ltx.batches) pages.push(Buffer.from(batch.pages))
  return { header: ltx.header, pages: Buffer.concat(pages), index: ltx.trailer!.index }
}

// Undetectable changes are only those that the checksum cannot see because it covers the pages, not
// their compressed form: bits of an LZ4 block that the decoder does not use (the match length of a
// block's last sequence, which has no match). The pages are then identical.
test('a change of any single byte of a file is detected, unless the byte is inside a payload and the decoded page stays equal', async () => {
  for (const file of Object.values(FILES)) {
    const { header, pages, index } = await contentOf(file)
    const payload = (at: number) => {
      for (let i = 0; i < index.count; i++) {
        if (at >= index.offsets[i]! + 10 && at < index.offsets[i]! + index.sizes[i]!) return true
      }
      return false
    }
    for (let i = 0; i < file.length; i++) {
      for (const flip of i % 8 === 0 ? [1, 2, 4, 8, 16, 32, 64, 128, 255] : [1, 0x10, 0x80]) {
        const bad = Buffer.from(file)
        bad[i]! ^= flip
        if (await faultOf(bad)) continue
        assert.ok(payload(i), `byte ${i} ^ ${flip}`)
        assert.deepEqual(await contentOf(bad), { header, pages, index })
      }
    }
  }
})

test('a file that is truncated to any length is refused, both by the stream decoder and by inspect', async () => {
  for (const file of Object.values(FILES)) {
    for (let length = 0; length < file.length; length++) {
      const short = file.subarray(0, length)
      const fault = await faultOf(short, [length >> 1])
      assert.ok(fault, `length ${length}`)
      const read = async (offset: number, n: number) => short.subarray(offset, offset + n)
      await assert.rejects(inspectLtx(read, length, 'dir/a.ltx'), { code: 'LTX_CORRUPT' }, `length ${length}`)
    }
  }
})

test('bytes after the trailer of a file are an error', async () => {
  for (const file of Object.values(FILES)) {
    for (const extra of [1, 24, 500]) assert.ok(await faultOf(Buffer.concat([file, new Uint8Array(extra)])))
  }
})

test('the decoder’s error for a damaged page names the page', async () => {
  const bad = Buffer.from(FILES.increment)
  bad.writeUInt32BE(0xffffff, 106)
  const fault = await faultOf(bad)
  assert.deepEqual([fault?.pgno, fault?.offset], [7, 100])
})

test('the LTX decoder does not crash on random bytes', async () => {
  for (let i = 0; i < 2000; i++) {
    const bad = Buffer.from(FILES.snapshot)
    for (let n = 0; n < 1 + (i % 20); n++)
      bad[100 + ((i * 7919 + n * 104729) % (bad.length - 100))]! ^= 1 + ((i + n) % 255)
    await faultOf(bad)
  }
})
