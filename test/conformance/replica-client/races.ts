import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isLitestreamError } from '../../../src/errors.js'
import { collect } from '../../support/collect.js'
import { concatenated, file, sha256, testBytes } from './bytes.js'
import { type Backend, clientsAt, isSure } from './place.js'

const aborted = (error: unknown) => isLitestreamError(error, 'ABORTED')

export function raceTests(backend: Backend): void {
  test(`${backend.name}: of many concurrent create-only writes of one name, exactly one succeeds`, async (t) => {
    const open = await clientsAt(t, backend)
    const clients = await Promise.all(Array.from({ length: 6 }, () => open()))
    const { rounds = 8 } = backend
    for (let round = 1; round <= rounds; round++) {
      const bodies = clients.map((_, i) => testBytes(round % 2 ? 50 : 300_000, round * 10 + i))
      const writes = await Promise.allSettled(
        clients.map((client, i) => client.write(file(round), bodies[i]!, { timestamp: i, createOnly: true })),
      )
      const winners = writes.flatMap(({ status }, i) => (status === 'fulfilled' ? [i] : []))
      if (await isSure(clients[0]!, 'createOnly')) assert.equal(winners.length, 1)
      else assert.ok(winners.length >= 1)
      for (const write of writes) {
        if (write.status === 'rejected') {
          assert.ok(isLitestreamError(write.reason, 'PRECONDITION_FAILED'), String(write.reason))
        }
      }
      const found = await concatenated(clients[0]!.stream(file(round)))
      assert.ok(winners.some((winner) => sha256(found) === sha256(bodies[winner]!)))
      await assert.rejects(clients[0]!.write(file(round), bodies[0]!, { timestamp: 1, createOnly: true }), (error) =>
        isLitestreamError(error, 'PRECONDITION_FAILED'),
      )
    }
    assert.equal((await collect(clients[0]!.list(0))).length, rounds)
  })

  test(`${backend.name}: a file appears only when the file is complete, and never appears if its source stream fails`, async (t) => {
    const open = await clientsAt(t, backend)
    const [writer, reader] = [await open(), await open()]
    let reached = 0
    async function* body(fail: boolean) {
      for (reached = 0; reached < 12; reached++) {
        yield testBytes(1024 * 1024)
        if (reached === 6) assert.deepEqual(await collect(reader.list(0)), [])
        if (fail && reached === 9) throw new Error('the source broke')
      }
    }
    await assert.rejects(writer.write(file(1), body(true), { timestamp: 1, createOnly: true }), /the source broke/)
    assert.deepEqual(await collect(reader.list(0)), [])
    await assert.rejects(reader.stat(file(1)), (error) => isLitestreamError(error, 'NOT_FOUND'))
    await writer.write(file(1), body(false), { timestamp: 1, createOnly: true })
    assert.deepEqual(
      (await collect(reader.list(0))).map(({ size }) => size),
      [12 * 1024 * 1024],
    )
  })

  test(`${backend.name}: every call ends when its AbortSignal is aborted, whether the abort comes before or during the call`, async (t) => {
    const client = await (await clientsAt(t, backend))()
    const bytes = testBytes(8 * 1024 * 1024)
    await client.write(file(1), bytes, { timestamp: 1 })
    const signal = AbortSignal.abort(new Error('enough'))
    await assert.rejects(client.stat(file(1), { signal }), aborted)
    await assert.rejects(client.read(file(1), { suffix: 1 }, { signal }), aborted)
    await assert.rejects(collect(client.list(0, { signal })), aborted)
    await assert.rejects(collect(client.stream(file(1), { signal })), aborted)
    await assert.rejects(client.write(file(2), bytes, { timestamp: 1, signal }), aborted)
    await assert.rejects(client.delete([file(1)], { signal }), aborted)
    await assert.rejects(client.getObject('lock.json', { signal }), aborted)
    await assert.rejects(client.putObject('lock.json', testBytes(3), null, { signal }), aborted)
    await assert.rejects(client.deleteObject('lock.json', '1', { signal }), aborted)

    const reading = new AbortController()
    let chunks = 0
    await assert.rejects(async () => {
      for await (const _ of client.stream(file(1), { signal: reading.signal })) if (++chunks === 2) reading.abort()
    }, aborted)
    const writing = new AbortController()
    async function* body() {
      yield bytes
      writing.abort()
      yield bytes
    }
    await assert.rejects(client.write(file(2), body(), { timestamp: 1, signal: writing.signal }), aborted)

    assert.deepEqual(
      (await collect(client.list(0))).map(({ minTxid }) => minTxid),
      [1],
    )
    assert.equal(sha256(await concatenated(client.stream(file(1)))), sha256(bytes))
  })

  test(`${backend.name}: an AbortSignal or a deadline ends close() early, and the client is closed nevertheless`, async (t) => {
    const client = await (await clientsAt(t, backend))()
    await assert.rejects(client.close({ timeout: 0 }), (error) => isLitestreamError(error, 'INVALID_ARGUMENT'))
    await client.write(file(1), testBytes(10), { timestamp: 1 })
    const reason = new Error('enough')
    await assert.rejects(client.close({ signal: AbortSignal.abort(reason) }), reason)
    await client.close({ timeout: '30s' })
    await assert.rejects(client.stat(file(1)), aborted)
  })

  test(`${backend.name}: if the reader of a stream abandons the stream, the stream is closed, and the client still works`, async (t) => {
    const client = await (await clientsAt(t, backend))()
    const bytes = testBytes(4 * 1024 * 1024)
    await client.write(file(1), bytes, { timestamp: 1 })
    for (let i = 0; i < 20; i++) {
      for await (const _ of client.stream(file(1), { offset: i })) break
    }
    const reads = await Promise.all(
      Array.from({ length: 64 }, (_, i) => client.read(file(1), { offset: i * 65_000, length: 4096 })),
    )
    for (const { data, offset } of reads) {
      assert.deepEqual(Buffer.from(data), Buffer.from(bytes.subarray(offset, offset + 4096)))
    }
  })

  test(`${backend.name}: while other files are written and deleted, reads return the right bytes`, async (t) => {
    const open = await clientsAt(t, backend)
    const clients = await Promise.all([open(), open(), open()])
    const bytes = Array.from({ length: 12 }, (_, i) => testBytes(200_000 + i * 61_000, i))
    await Promise.all(bytes.map((body, i) => clients[i % 3]!.write(file(i + 1), body, { timestamp: 1 })))
    const reader = await open()
    let txid = 100
    const disturb = async () => {
      for (let i = 0; i < 10; i++) {
        const ref = file(txid++)
        await clients[i % 3]!.write(ref, testBytes(300_000), { timestamp: 1 })
        await clients[i % 3]!.delete([ref])
      }
    }
    const read = async (i: number) => {
      const body = bytes[i]!
      for (let offset = 1000; offset + 5000 < body.byteLength; offset += 40_000) {
        const { data } = await reader.read(file(i + 1), { offset, length: 5000 })
        assert.deepEqual(Buffer.from(data), Buffer.from(body.subarray(offset, offset + 5000)))
      }
    }
    await Promise.all([disturb(), disturb(), ...bytes.map((_, i) => read(i))])
  })
}
