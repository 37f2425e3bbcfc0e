// Replicas that were written through the VFS, for the programs of Litestream itself.
import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import { formatTxid } from '../../src/ltx/txid.js'
import type { ReplicaWriteOptions } from '../../src/replica/options.js'
import { restore } from '../../src/restore/restore.js'
import { openReplicaClient } from '../../src/storage/open.js'
import { cleanUp } from '../support/clean-up.js'
import { compactRange } from '../support/compact.js'
import { askOfficialVfs, contentSum } from '../support/official-vfs.js'
import { released } from '../support/released.js'
import { emptyReplicaUrl, openForWriting } from '../support/written-replica.js'

const STATEMENTS = [
  'CREATE TABLE t (x INTEGER PRIMARY KEY, v BLOB); CREATE INDEX i ON t (v)',
  'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200) INSERT INTO t SELECT i, randomblob(900) FROM n',
  'UPDATE t SET v = x WHERE x % 3 = 0',
  'DELETE FROM t WHERE x > 50; VACUUM',
  'ALTER TABLE t ADD COLUMN w DEFAULT 5; INSERT INTO t SELECT x + 1000, v, 1 FROM t',
]

const LOCAL: ReplicaWriteOptions = { durability: 'local', lease: false, syncInterval: '1h' }

const CASES: readonly [pageSize: number, write: ReplicaWriteOptions][] = [
  [512, { lease: false }],
  [4096, LOCAL],
  [65536, { lease: false }],
]

async function sumOfOurs(t: TestContext, url: string, directory: string, txid: number): Promise<string> {
  const client = await openReplicaClient(url)
  cleanUp(t, () => client.close())
  const output = path.join(directory, `ours-${txid}.db`)
  await restore(client, { output, txid, integrityCheck: 'full' })
  return contentSum(output)
}

for (const [pageSize, write] of CASES) {
  test(`${write.durability ?? 'store'}, pages of ${pageSize} bytes: Litestream 0.5.17 restores every TXID, and its VFS reads the newest TXID`, async (t) => {
    const official = released(t, '0.5.17')
    if (!official) return
    const { directory, url } = emptyReplicaUrl(t)
    const { replica, db } = await openForWriting(t, url, { write })
    db.pragma(`page_size = ${pageSize}`)
    for (const sql of STATEMENTS) {
      db.exec(sql)
      // One file with the commits of each step.
      await replica.flush()
    }
    const { txid } = replica
    db.close()
    await replica.close()
    const client = await openReplicaClient(url)
    cleanUp(t, () => client.close())
    const officialSum = async (each: number) => {
      const output = path.join(directory, `official-${each}.db`)
      rmSync(output, { force: true })
      await official.succeed(['restore', '-txid', formatTxid(each), '-o', output, url])
      return contentSum(output)
    }
    const sums: string[] = []
    for (let each = 1; each <= txid; each++) {
      sums.push(await sumOfOurs(t, url, directory, each))
      assert.equal(await officialSum(each), sums.at(-1), `TXID ${each}`)
    }
    const newest = sums.at(-1)
    const readByVfs = () => askOfficialVfs(url, '.sha3sum', path.join(directory, 'vfs.log'))
    assert.equal(await readByVfs(), newest)
    await compactRange({ client }, 1, 1, txid)
    assert.equal(await officialSum(txid), newest)
    assert.equal(await readByVfs(), newest)
  })
}
