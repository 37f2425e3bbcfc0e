import assert from 'node:assert/strict'
import { test } from 'node:test'
import { collect } from '../../support/collect.js'
import { until } from '../../support/until.js'
import { file, testBytes } from './bytes.js'
import { type Backend, clientsAt } from './place.js'

export function watches(backend: Backend): void {
  test(`${backend.name}: if the store supports watches, a watch reports each new file, and a later listing contains the file`, async (t) => {
    const open = await clientsAt(t, backend)
    const [writer, reader] = [await open(), await open()]
    if (reader.watch === undefined) {
      assert.ok(!['file', 'nats'].includes(backend.name), 'the others have no way to tell')
      return
    }
    const end = new AbortController()
    let seen = 0
    await reader.watch(
      () =>
        void collect(reader.list(0)).then((files) => {
          seen = Math.max(seen, files.length)
        }),
      { signal: end.signal },
    )
    for (let txid = 1; txid <= 5; txid++) {
      await writer.write(file(txid), testBytes(100), { timestamp: 1 })
      await until('the watch has told of the file', () => seen === txid)
    }
    end.abort()
    await writer.write(file(6), testBytes(100), { timestamp: 1 })
    assert.equal((await collect(reader.list(0))).length, 6)
    assert.equal(seen, 5)
  })
}
