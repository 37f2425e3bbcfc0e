import assert from 'node:assert/strict'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import { cleanUp } from '../../../support/clean-up.js'
import { History } from '../../../support/history.js'
import { natsUrl } from '../../../support/nats.js'
import { connect, makeSource, openTestReplica, value } from '../../../support/replica.js'
import { s3Bucket, s3Url } from '../../../support/s3.js'

// A reset that is hardest to detect: the same TXIDs, and every file and frame has the same size.
const ROWS = 20_000
const database = (n: number) => `CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER, v BLOB);
  WITH RECURSIVE i(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM i WHERE i < ${ROWS})
    INSERT INTO t SELECT i, ${n}, zeroblob(1000) FROM i`

const STORES: Record<string, (t: TestContext) => Promise<string | undefined>> = {
  file: async () => undefined,
  s3: async (t) => s3Url(await s3Bucket(t)),
  nats: async () => natsUrl(),
}

for (const [store, place] of Object.entries(STORES)) {
  test(`${store}: after a reset, no page of the new files is taken for a page from before the reset, even if the files have equal sizes`, async (t) => {
    const url = await place(t)
    const { history, client, directory, ...source } = await makeSource(t, url === undefined ? {} : { url })
    const before = await history.commit(database(2))
    // No poll runs automatically, and almost nothing is cached.
    const replica = await openTestReplica(t, source.url, { cacheSize: 1, readAhead: 'none', pollInterval: 3_600_000 })
    const [reader, other] = [connect(t, replica.uri), connect(t, replica.uri)]
    for (const db of [reader, other]) db.pragma('cache_size=5')
    reader.exec('BEGIN')
    assert.equal(value(reader, 'SELECT n FROM t WHERE id = 1'), 2)
    await client.delete([{ level: 0, minTxid: 1, maxTxid: 1 }])
    const anew = new History(path.join(directory, 'other.db'), client)
    cleanUp(t, () => anew.close())
    anew.time = history.time
    const after = await anew.commit(database(3))
    assert.equal(after.size, before.size)
    assert.throws(() => value(reader, `SELECT n FROM t WHERE id = ${ROWS / 2}`), { code: 'SQLITE_IOERR_READ' })
    assert.match(String(value(reader, 'SELECT litestream_error()')), /^REPLICA_RESET: /)
    for (const db of [reader, other]) {
      for (const id of [1, ROWS / 2, ROWS]) assert.equal(value(db, 'SELECT n FROM t WHERE id = ?', id), 3)
    }
  })
}
