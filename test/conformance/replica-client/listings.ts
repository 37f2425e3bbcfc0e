import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ReplicaClient } from '../../../src/storage/replica-client.js'
import { collect } from '../../support/collect.js'
import { file, testBytes } from './bytes.js'
import { type Backend, clientsAt, opener } from './place.js'

export function listings(backend: Backend): void {
  test(`${backend.name}: a listing of one level from a given TXID on has only the files of that level and range, in ascending order`, async (t) => {
    const open = await clientsAt(t, backend)
    const client = await open()
    const refs = [
      file(3),
      file(1),
      file(0x10),
      file(0xff),
      { level: 1, minTxid: 1, maxTxid: 9 },
      { level: 1, minTxid: 1, maxTxid: 3 },
      { level: 1, minTxid: 10, maxTxid: 16 },
      { level: 9, minTxid: 1, maxTxid: 16 },
    ]
    for (const ref of refs) await client.write(ref, testBytes(ref.maxTxid), { timestamp: 5_000 })
    for (const each of [client, await open()]) {
      const ranges = async (level: number, fromTxid?: number) =>
        (await collect(each.list(level, fromTxid === undefined ? {} : { fromTxid }))).map(
          ({ minTxid, maxTxid, size }) => `${minTxid}-${maxTxid}:${size}`,
        )
      assert.deepEqual(await ranges(0), ['1-1:1', '3-3:3', '16-16:16', '255-255:255'])
      assert.deepEqual(await ranges(0, 3), ['3-3:3', '16-16:16', '255-255:255'])
      assert.deepEqual(await ranges(0, 4), ['16-16:16', '255-255:255'])
      assert.deepEqual(await ranges(0, 256), [])
      assert.deepEqual(await ranges(1), ['1-3:3', '1-9:9', '10-16:16'])
      assert.deepEqual(await ranges(1, 2), ['10-16:16'])
      assert.deepEqual(await ranges(2), [])
      assert.deepEqual(await ranges(9), ['1-16:16'])
      if (!each.listUpwards) continue
      const levels = []
      for (const level of [1, 2, 3, 4, 5, 6, 7, 8, 9]) levels.push(...(await collect(each.list(level))))
      assert.deepEqual(await collect(each.listUpwards(1)), levels, 'a level and all above it at once')
      assert.deepEqual(await collect(each.listUpwards(2)), levels.slice(-1))
      assert.deepEqual(
        await collect(each.listUpwards(1, { fromTxid: 2 })),
        levels.slice(2),
        'of the first from a TXID on',
      )
    }
  })

  test(`${backend.name}: if two replicas have a common path prefix, neither replica lists the files of the other`, async (t) => {
    const open = await clientsAt(t, backend)
    for (const [i, path] of ['app', 'app.db', 'app/ltx', 'app/nested'].entries()) {
      await (await open(path)).write(file(i + 1), testBytes(1), { timestamp: 1 })
    }
    for (const [i, path] of ['app', 'app.db', 'app/ltx', 'app/nested'].entries()) {
      const files = await collect((await open(path)).list(0))
      assert.deepEqual(
        files.map(({ minTxid }) => minTxid),
        [i + 1],
        path,
      )
    }
  })

  test(`${backend.name}: a search finds each replica at or below a path once, and reports no other folder`, async (t) => {
    const open = await clientsAt(t, backend)
    const paths = ['many', 'many/a.db', 'many/b #1%?.db', 'many/deep/down/a.db', 'many/many', 'many.db']
    for (const path of paths) {
      const client = await open(path)
      await client.write(file(1), testBytes(9), { timestamp: 1 })
      await client.write({ level: 9, minTxid: 1, maxTxid: 1 }, testBytes(9), { timestamp: 1 })
    }
    await (await open('many/no-replica')).putObject('lock.json', testBytes(3), null)
    const below = async (path: string) => (await collect((await open(path)).replicas!())).sort()
    assert.deepEqual(await below('many'), ['', 'a.db', 'b #1%?.db', 'deep/down/a.db', 'many'])
    assert.deepEqual(await below('many/deep'), ['down/a.db'])
    assert.deepEqual(await below('nothing'), [])
  })

  test(`${backend.name}: a listing of a level with ${backend.crowd} files is complete, whether it begins at the first file or at a given TXID`, async (t) => {
    const place = await backend.makePlace(t)
    const open = opener(t, place)
    if (place.fill !== undefined) place.fill('app.db', backend.crowd)
    else await writeMany(await open(), backend.crowd)
    const fresh = await open()
    const expected = Array.from({ length: backend.crowd }, (_, i) => i + 1)
    assert.deepEqual(
      (await collect(fresh.list(0))).map(({ minTxid }) => minTxid),
      expected,
    )
    const from = backend.crowd - 10
    assert.deepEqual(
      (await collect(fresh.list(0, { fromTxid: from }))).map(({ minTxid }) => minTxid),
      expected.slice(from - 1),
    )
  })

  test(`${backend.name}: during writes and deletions, a listing ends, and has every file that existed during the whole listing`, async (t) => {
    const open = await clientsAt(t, backend)
    const writers = await Promise.all(Array.from({ length: 4 }, () => open()))
    const readers = await Promise.all(Array.from({ length: 4 }, () => open()))
    const lasting = Array.from({ length: 40 }, (_, i) => file(5 * (i + 1)))
    const isLasting = (txid: number) => txid % 5 === 0
    await Promise.all(lasting.map((ref) => writers[0]!.write(ref, testBytes(100), { timestamp: 1 })))
    let busy = true
    let writes = 0
    const churning = writers.map(async (writer, number) => {
      for (let i = 0; busy && writes < 4_000; i = (i + 1) % 40) {
        const passing = file(5 * i + number + 1)
        writes++
        await writer.write(passing, testBytes(100), { timestamp: 1 })
        await writer.delete([passing])
      }
    })
    try {
      const listing = readers.map(async (reader) => {
        for (let round = 0; round < (backend.rounds ?? 20); round++) {
          const txids = (await collect(reader.list(0))).map(({ minTxid }) => minTxid)
          assert.deepEqual(
            txids.filter(isLasting),
            lasting.map(({ minTxid }) => minTxid),
          )
          assert.deepEqual(
            txids,
            [...new Set(txids)].sort((a, b) => a - b),
          )
        }
      })
      await Promise.all(listing)
      assert.ok(writes < 4_000, 'a listing does not wait until nobody writes')
    } finally {
      busy = false
      await Promise.all(churning)
    }
  })

  test(`${backend.name}: a listing has every file that existed at its start, whatever is written during the listing`, async (t) => {
    const open = await clientsAt(t, backend)
    const writers = await Promise.all(Array.from({ length: 3 }, () => open()))
    const readers = await Promise.all(Array.from({ length: 4 }, () => open()))
    const { files = 300 } = backend
    const there = new Set<number>()
    let next = 1
    const bytes = testBytes(100_000)
    const write = async (writer: ReplicaClient) => {
      for (let txid = next++; txid <= files; txid = next++) {
        await writer.write(file(txid), bytes, { timestamp: 1, createOnly: true })
        there.add(txid)
        if (there.size <= 40) continue
        const old = [...there].slice(0, 20)
        for (const each of old) there.delete(each)
        await writer.delete(old.map((each) => file(each)))
      }
    }
    let listings = 0
    const read = async (reader: ReplicaClient) => {
      for (; next <= files; listings++) {
        const before = [...there]
        const found = new Set((await collect(reader.list(0))).map(({ minTxid }) => minTxid))
        assert.deepEqual(
          before.filter((txid) => there.has(txid) && !found.has(txid)),
          [],
        )
      }
    }
    await Promise.all([...writers.map(write), ...readers.map(read)])
    assert.ok(listings >= readers.length)
  })
}

/** Files of level 0, from TXID 1 on. */
async function writeMany(client: ReplicaClient, count: number): Promise<void> {
  let next = 1
  const work = async () => {
    for (let txid = next++; txid <= count; txid = next++) {
      await client.write(file(txid), testBytes(64), { timestamp: 1, createOnly: true })
    }
  }
  await Promise.all(Array.from({ length: 24 }, work))
}
