import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { ByteReader } from '../../src/ltx/byte-reader.js'

/**
 * Chunks of these sizes, each byte counting on from the one before; a chunk is gone when the next
 * one is asked for.
 */
async function* counting(sizes: readonly number[]): AsyncGenerator<Uint8Array> {
  let at = 0
  for (const size of sizes) {
    const chunk = Uint8Array.from({ length: size }, () => at++ & 0xff)
    yield chunk
    chunk.fill(0xee)
  }
}

test('the byte reader returns the bytes of a stream in order, for any chunk size and any request size', async () => {
  const size = fc.oneof(fc.nat(100), fc.nat(70_000))
  await fc.assert(
    fc.asyncProperty(fc.array(size, { maxLength: 12 }), fc.array(size, { maxLength: 30 }), async (chunks, wanted) => {
      const reader = new ByteReader(counting(chunks))
      const total = chunks.reduce((sum, one) => sum + one, 0)
      let at = 0
      for (const size of wanted) {
        const there = await reader.need(size)
        assert.equal(there, at + size <= total)
        const bytes = reader.available.subarray(0, size)
        for (let i = 0; i < bytes.length; i++) if (bytes[i] !== ((at + i) & 0xff)) assert.fail(`byte ${at + i}`)
        reader.take(bytes.length)
        at += bytes.length
      }
    }),
  )
})

test('if a chunk begins inside a frame, the byte reader copies only the part of the chunk that belongs to the frame', async () => {
  const chunks = [new Uint8Array(10), new Uint8Array(1024 * 1024)]
  async function* source() {
    yield* chunks
  }
  const reader = new ByteReader(source())
  await reader.need(10)
  reader.take(5)
  await reader.need(20)
  assert.ok(reader.available.length < 100_000, `${reader.available.length} bytes`)
  reader.take(20)
  assert.ok(await reader.more())
  assert.equal(reader.available.buffer, chunks[1]!.buffer)
  assert.equal(reader.available.length, 1024 * 1024 - 15)
})
