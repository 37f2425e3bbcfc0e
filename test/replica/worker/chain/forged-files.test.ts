import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import Database from 'better-sqlite3'
import { isLitestreamError } from '../../../../src/errors.js'
import { openReplica } from '../../../../src/replica/handle/open-replica.js'
import { forgedLtx, pagesOf, putLtx } from '../../../support/forged-ltx.js'
import { temporaryDirectory } from '../../../support/temporary-directory.js'

const ROWS = 500

function database(t: TestContext): Buffer {
  const file = path.join(temporaryDirectory(t), 'a.db')
  const db = new Database(file)
  db.exec('CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)')
  const insert = db.prepare('INSERT INTO t VALUES (?, ?)')
  for (let i = 0; i < ROWS; i++) insert.run(i, `row ${i}`)
  db.close()
  return readFileSync(file)
}

/**
 * A replica of two files: the whole database, and page 1 in a file whose header has this commit.
 */
function replicaWithCommit(t: TestContext, commit: number): string {
  const folder = path.join(temporaryDirectory(t), 'replica')
  const pages = pagesOf(database(t))
  putLtx(folder, 0, 1, 1, forgedLtx({ pages }))
  putLtx(folder, 0, 2, 2, forgedLtx({ pages: [pages[0]!], minTxid: 2n, commit }))
  return pathToFileURL(folder).href
}

for (const commit of [0xfffffc00, 0xfffffc01, 0xfffffffe]) {
  test(`if a file header has a database size of 0x${commit.toString(16)} pages, more than the files have, the error is LTX_CORRUPT`, async (t) => {
    await assert.rejects(openReplica(replicaWithCommit(t, commit), { openTimeout: '2s' }), (error) => {
      assert.ok(isLitestreamError(error, 'LTX_CORRUPT'), String(error))
      assert.match(error.message, new RegExp(`missing: the database has ${commit} pages, and the database had at most`))
      assert.ok(error.hint)
      return true
    })
  })
}

for (const commit of [0, 0xffffffff]) {
  test(`if a file header has a database size of ${commit} pages, the error is LTX_CORRUPT with the file, the value and a hint`, async (t) => {
    await assert.rejects(openReplica(replicaWithCommit(t, commit), { openTimeout: '2s' }), (error) => {
      assert.ok(isLitestreamError(error, 'LTX_CORRUPT'), String(error))
      assert.match(error.message, new RegExp(`0000000000000002-0000000000000002\\.ltx: invalid commit ${commit},`))
      assert.ok(error.hint)
      return true
    })
  })
}
