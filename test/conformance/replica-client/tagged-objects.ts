import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isLitestreamError } from '../../../src/errors.js'
import { collect } from '../../support/collect.js'
import { type Backend, clientsAt, isSure } from './place.js'

const bytes = (text: string) => new TextEncoder().encode(text)
const lost = (error: unknown) => isLitestreamError(error, 'PRECONDITION_FAILED')

export function taggedObjects(backend: Backend): void {
  test(`${backend.name}: a small object is changed only by a caller that sends the object’s current version`, async (t) => {
    const open = await clientsAt(t, backend)
    const [one, other] = [await open(), await open()]
    const first = await one.putObject('lock.json', bytes('{"a":1}'), null)
    await assert.rejects(other.putObject('lock.json', bytes('x'), null), lost)
    const found = await other.getObject('lock.json')
    assert.deepEqual([new TextDecoder().decode(found?.data), found?.tag], ['{"a":1}', first])
    const second = await other.putObject('lock.json', bytes('{"a":2}'), first)
    assert.notEqual(second, first)
    await assert.rejects(one.putObject('lock.json', bytes('x'), first), lost)
    if (!backend.ignoresVersionOfDelete) await assert.rejects(one.deleteObject('lock.json', first), lost)
    assert.equal(new TextDecoder().decode((await one.getObject('lock.json'))?.data), '{"a":2}')
    await one.deleteObject('lock.json', second)
    assert.equal(await other.getObject('lock.json'), undefined)
    await assert.rejects(other.putObject('lock.json', bytes('x'), second), lost)
    await other.putObject('lock.json', bytes('{"a":3}'), null)
    assert.deepEqual(await collect(one.list(0)), [])
  })

  test(`${backend.name}: in every round, exactly one of many concurrent changes to an object succeeds`, async (t) => {
    const open = await clientsAt(t, backend)
    const clients = await Promise.all(Array.from({ length: 4 }, () => open()))
    let tag: string | null = null
    for (let round = 0; round < 10; round++) {
      const puts = await Promise.allSettled(
        clients.map((c, i) => c.putObject('lock.json', bytes(`${round} ${i}`), tag)),
      )
      const winners = puts.flatMap(({ status }, i) => (status === 'fulfilled' ? [i] : []))
      // Without the guarantee a second winner is possible.
      if (await isSure(clients[0]!, 'compareAndSet')) assert.equal(winners.length, 1)
      else assert.ok(winners.length >= 1)
      for (const put of puts) {
        // A store may leave a loser in doubt: Ceph answers some of them with a server error.
        const known = put.status === 'fulfilled' || isLitestreamError(put.reason, 'PRECONDITION_FAILED', 'UNAVAILABLE')
        assert.ok(known, put.status === 'rejected' ? String(put.reason) : '')
      }
      const object = await clients[round % 4]!.getObject('lock.json')
      assert.ok(winners.some((winner) => new TextDecoder().decode(object?.data) === `${round} ${winner}`))
      tag = object!.tag
    }
  })
}
