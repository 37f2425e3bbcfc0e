import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isLitestreamError } from '../../../src/errors.js'
import { collect } from '../../support/collect.js'
import { concatenated, file, inPieces, sha256, testBytes } from './bytes.js'
import { type Backend, clientsAt } from './place.js'

const TIMESTAMP = 1_700_000_000_123
const MiB = 1024 * 1024

export function readsAndWrites(backend: Backend): void {
  test(`${backend.name}: in an empty store, a listing has no files, and a read fails with NOT_FOUND`, async (t) => {
    const client = await (await clientsAt(t, backend))()
    for (let level = 0; level <= 9; level++) assert.deepEqual(await collect(client.list(level)), [])
    const notFound = (error: unknown) => isLitestreamError(error, 'NOT_FOUND')
    await assert.rejects(client.stat(file(1)), notFound)
    await assert.rejects(client.read(file(1), { offset: 0, length: 1 }), notFound)
    await assert.rejects(client.read(file(1), { suffix: 1 }), notFound)
    await assert.rejects(collect(client.stream(file(1))), notFound)
    await client.delete([file(1), file(2)])
    assert.equal(await client.getObject('lock.json'), undefined)
  })

  for (const size of [1, 100, 4096, 128 * 1024, 128 * 1024 + 1, 3 * MiB + 17]) {
    test(`${backend.name}: a file of ${size} bytes is read back unchanged, as a whole and in ranges`, async (t) => {
      const client = await (await clientsAt(t, backend))()
      const bytes = testBytes(size)
      const info = await client.write(file(1), bytes, { timestamp: TIMESTAMP })
      assert.deepEqual(info, { ...file(1), size, createdAt: TIMESTAMP })
      const streamed = await client.write(file(2), inPieces(bytes, 70_001), { timestamp: TIMESTAMP, createOnly: true })
      assert.equal(streamed.size, size)

      for (const ref of [file(1), file(2)]) {
        const { version, mode, ...told } = await client.stat(ref)
        const { createdAt, ...rest } = told
        assert.deepEqual(rest, { ...ref, size })
        assert.ok(Math.abs(createdAt - TIMESTAMP) < (backend.timePrecision ?? 1))
        assert.ok(version)
        // Permission bits alone, where the store has some.
        assert.ok(mode === undefined || (mode > 0 && mode <= 0o777))
        assert.equal(sha256(await concatenated(client.stream(ref))), sha256(bytes))
        const middle = size >>> 1
        assert.equal(sha256(await concatenated(client.stream(ref, { offset: middle }))), sha256(bytes.subarray(middle)))
        for (const [offset, length] of [
          [0, size],
          [0, 1],
          [size - 1, 1],
          [middle, size - middle],
          [Math.max(0, middle - 5000), Math.min(size, 10_000)],
          [Math.max(0, Math.min(size - 1, 128 * 1024 - 1)), 1],
        ] as const) {
          const result = await client.read(ref, { offset, length: Math.min(length, size - offset) })
          assert.equal(result.offset, offset)
          assert.equal(result.fileSize, size)
          assert.deepEqual(Buffer.from(result.data), Buffer.from(bytes.subarray(offset, offset + length)))
        }
        const half = await client.read(ref, { offset: middle })
        assert.equal(sha256(half.data), sha256(bytes.subarray(middle)))
        for (const suffix of [1, Math.min(size, 1000), size, size + 1]) {
          const tail = await client.read(ref, { suffix })
          assert.equal(tail.offset, Math.max(0, size - suffix))
          assert.equal(tail.fileSize, size)
          assert.equal(sha256(tail.data), sha256(bytes.subarray(tail.offset)))
        }
        for (const range of [
          { offset: size, length: 1 },
          { offset: 0, length: size + 1 },
        ]) {
          await assert.rejects(client.read(ref, range), (error) => isLitestreamError(error, 'INVALID_ARGUMENT'))
        }
      }
    })
  }

  const { large = 64 } = backend
  test(`${backend.name}: a file of ${large} MiB is written, streamed and read in ranges`, async (t) => {
    const client = await (await clientsAt(t, backend))()
    const bytes = testBytes(large * MiB)
    await client.write(file(1, 9), inPieces(bytes, 256 * 1024), { timestamp: TIMESTAMP, createOnly: true })
    assert.equal((await client.stat(file(1, 9))).size, bytes.byteLength)
    assert.equal(sha256(await concatenated(client.stream(file(1, 9)))), sha256(bytes))
    const offset = (large / 2) * MiB + 7
    const { data } = await client.read(file(1, 9), { offset, length: 300_000 })
    assert.equal(sha256(data), sha256(bytes.subarray(offset, offset + 300_000)))
  })

  test(`${backend.name}: a read returns the bytes of the last write`, async (t) => {
    const open = await clientsAt(t, backend)
    const [writer, reader] = [await open(), await open()]
    for (const size of [300_000, 10, 500_000]) {
      const bytes = testBytes(size, size)
      await writer.write(file(1), bytes, { timestamp: size })
      assert.deepEqual(
        (await collect(reader.list(0))).map((info) => info.size),
        [size],
      )
      const { data, fileSize } = await reader.read(file(1), { offset: 0 }, { fresh: true })
      assert.equal(fileSize, size)
      assert.equal(sha256(data), sha256(bytes))
    }
  })

  test(`${backend.name}: spaces, umlauts and percent signs in a path are preserved`, async (t) => {
    const open = await clientsAt(t, backend)
    const paths = ['a b/c', 'a%20b/c', 'a+b/c', 'ünï/çødé/日本', "quo'te(1)!*~", 'a&b=c;d,e@f:g$h']
    for (const [i, path] of paths.entries()) {
      await (await open(path)).write(file(i + 1), testBytes(10 + i), { timestamp: TIMESTAMP, createOnly: true })
    }
    for (const [i, path] of paths.entries()) {
      const client = await open(path)
      const files = await collect(client.list(0))
      assert.deepEqual(
        files.map(({ minTxid, size }) => ({ minTxid, size })),
        [{ minTxid: i + 1, size: 10 + i }],
        path,
      )
      assert.equal((await client.read(file(i + 1), { offset: 0 })).fileSize, 10 + i)
    }
  })

  test(`${backend.name}: one call deletes many files, and ignores missing files`, async (t) => {
    const open = await clientsAt(t, backend)
    const client = await open()
    const refs = Array.from({ length: 30 }, (_, i) => file(i + 1))
    await Promise.all(refs.map((ref) => client.write(ref, testBytes(200_000), { timestamp: TIMESTAMP })))
    await client.delete([...refs.slice(0, 20), file(900), file(901)])
    const other = await open()
    for (const each of [client, other]) {
      assert.deepEqual(
        (await collect(each.list(0))).map(({ minTxid }) => minTxid),
        refs.slice(20).map(({ minTxid }) => minTxid),
      )
      await assert.rejects(each.read(file(1), { suffix: 1 }), (error) => isLitestreamError(error, 'NOT_FOUND'))
    }
    await client.write(file(1), testBytes(5), { timestamp: TIMESTAMP, createOnly: true })
    assert.equal((await other.read(file(1), { offset: 0 })).fileSize, 5)
  })
}
