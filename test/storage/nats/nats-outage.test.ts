import assert from 'node:assert/strict'
import path from 'node:path'
import { test } from 'node:test'
import Database from 'better-sqlite3'
import { replicate } from '../../../src/primary/replicate.js'
import { openReplicaClient } from '../../../src/storage/open.js'
import { cleanUp } from '../../support/clean-up.js'
import { collect } from '../../support/collect.js'
import { connect, openTestReplica, value } from '../../support/replica.js'
import { startNats } from '../../support/servers/nats.js'
import { temporaryDirectory } from '../../support/temporary-directory.js'
import { until } from '../../support/until.js'

const SETTINGS = { createBucket: true, reconnectWait: 50, timeout: 2_000 }
const PIECE = 131_072

function piece(i: number): Uint8Array {
  return new Uint8Array(PIECE).fill(i + 1)
}

test('if the NATS server is killed during a write and a read, the write and the read continue when the server is back', async (t) => {
  const server = await startNats()
  cleanUp(t, server.stop)
  const client = await openReplicaClient(`${server.url}/app`, { nats: SETTINGS })
  cleanUp(t, () => client.close())
  const ref = (txid: number) => ({ level: 0, minTxid: txid, maxTxid: txid })
  const restart = async () => {
    await server.kill()
    await server.start()
  }
  let restarted: Promise<void> | undefined
  async function* body() {
    for (let i = 0; i < 40; i++) {
      if (i === 15) restarted = restart()
      yield piece(i)
    }
  }
  const info = await client.write(ref(1), body(), { timestamp: 1, createOnly: true })
  await restarted
  assert.equal(info.size, 40 * PIECE)
  assert.ok(client.stats().PUT.retries > 0)

  const other = await openReplicaClient(`${server.url}/app`, { nats: SETTINGS })
  cleanUp(t, () => other.close())
  let read = 0
  for await (const chunk of other.stream(ref(1))) {
    assert.deepEqual(Buffer.from(chunk), Buffer.from(piece(read)))
    read += 1
    if (read === 10) restarted = restart()
  }
  await restarted
  assert.equal(read, 40)
  assert.equal((await collect(client.list(0))).length, 1)
  assert.equal((await collect(other.list(0))).length, 1)
})

test('a NATS replica that never polls sees each new commit, both before and after an outage', async (t) => {
  const server = await startNats()
  cleanUp(t, server.stop)
  const url = `${server.url}/app/shop.db`
  const file = path.join(temporaryDirectory(t), 'shop.db')
  const db = new Database(file)
  cleanUp(t, () => db.close())
  db.pragma('journal_mode = WAL')
  db.exec('CREATE TABLE t (i INTEGER PRIMARY KEY)')
  const primary = await replicate(file, url, { storage: { nats: SETTINGS } })
  cleanUp(t, () => primary.close())
  await primary.sync({ wait: true })

  const replica = await openTestReplica(t, url, { pollInterval: '1h' })
  const reader = connect(t, replica.uri)
  const committed = (count: number) => {
    db.exec('INSERT INTO t DEFAULT VALUES')
    return until(`row ${count} is seen`, () => value(reader, 'SELECT count(*) FROM t') === count)
  }
  for (let count = 1; count <= 3; count++) await committed(count)
  await server.kill()
  db.exec('INSERT INTO t DEFAULT VALUES')
  await server.start()
  await until('the row of the outage is seen', () => value(reader, 'SELECT count(*) FROM t') === 4)
  await committed(5)
})
