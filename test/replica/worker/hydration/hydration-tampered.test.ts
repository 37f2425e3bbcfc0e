import assert from 'node:assert/strict'
import {
  copyFileSync,
  existsSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import type { LitestreamError } from '../../../../src/errors.js'
import { connect, makeSource, openTestReplica, value } from '../../../support/replica.js'
import { until } from '../../../support/until.js'

// Another program changes the file of a local copy. No reader may see that in its rows, nor end
// with it.

const ROWS = 2000
const SEED = `CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT); WITH RECURSIVE n(i) AS
  (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < ${ROWS}) INSERT INTO t SELECT i, 'row ' || i || hex(zeroblob(100)) FROM n`
const CHECK = "SELECT count(*) FROM t WHERE v LIKE 'row ' || id || '0000%'"

async function hydrated(t: TestContext) {
  const { url, history, directory } = await makeSource(t)
  await history.commit(SEED)
  const copy = path.join(directory, 'copy.db')
  const open = async () => {
    const replica = await openTestReplica(t, url, { hydrate: copy, cacheSize: 1 })
    const errors: LitestreamError[] = []
    replica.on('error', (error) => errors.push(error))
    await replica.whenHydrated()
    const db = connect(t, replica.uri)
    assert.equal(value(db, CHECK), ROWS)
    const close = async () => {
      db.close()
      await replica.close()
    }
    return { replica, errors, count: () => value(db, CHECK), close }
  }
  return { open, copy, directory, content: () => history.bytes }
}

for (const [what, tamper] of [
  ['cut to nothing', (copy: string) => truncateSync(copy, 0)],
  ['cut inside a page', (copy: string) => truncateSync(copy, 3 * 4096 + 100)],
  ['overwritten in place', (copy: string) => writeFileSync(copy, Buffer.alloc(statSync(copy).size, 7), { flag: 'r+' })],
  ['removed', (copy: string) => rmSync(copy)],
  ['removed with its meta file', (copy: string) => [copy, `${copy}.meta`].map((file) => rmSync(file))],
] as const) {
  test(`a local copy that is ${what} is no longer read, and is filled again`, async (t) => {
    const { open, copy, content } = await hydrated(t)
    const { replica, errors, count, close } = await open()
    let filled = 0
    replica.on('hydrated', () => filled++)
    tamper(copy)
    // At once where the system shows it, with the next poll otherwise.
    if (what !== 'overwritten in place') assert.equal(count(), ROWS)
    await until('it is reported', () => errors.length > 0)
    assert.equal(errors[0]!.code, 'HYDRATION_CONFLICT')
    assert.match(errors[0]!.message, /copy\.db was (changed|removed) by another program/)
    assert.equal(count(), ROWS)
    await until('it is filled again', () => filled > 0)
    assert.equal(count(), ROWS)
    await close()
    assert.deepEqual(readFileSync(copy).subarray(4096), content().subarray(4096))
  })
}

test('if a file replaces a local copy, the file is neither changed nor read', async (t) => {
  const { open, copy, directory } = await hydrated(t)
  const { errors, count, replica } = await open()
  const other = path.join(directory, 'other')
  writeFileSync(other, 'precious')
  renameSync(other, copy)
  await until('it is reported', () => errors.length > 0)
  assert.match(errors[0]!.message, /copy\.db was replaced by another program/)
  assert.equal(count(), ROWS)
  await replica.refresh()
  await replica.refresh()
  assert.equal(count(), ROWS)
  assert.equal(readFileSync(copy, 'utf8'), 'precious')
})

test('if a local copy is changed while its replica is closed, the local copy is filled again', async (t) => {
  const { open, copy, content } = await hydrated(t)
  const first = await open()
  await first.close()
  const size = statSync(copy).size
  writeFileSync(copy, Buffer.alloc(size, 7), { flag: 'r+' })
  const second = await open()
  assert.equal(second.count(), ROWS)
  await second.close()
  assert.deepEqual(readFileSync(copy).subarray(4096), content().subarray(4096))
  // One that was only read is gone on with.
  copyFileSync(copy, `${copy}-read`)
  const before = statSync(copy).ino
  const third = await open()
  assert.equal(third.count(), ROWS)
  assert.equal(statSync(copy).ino, before)
  assert.ok(existsSync(`${copy}.meta`))
})
