// An application whose better-sqlite3 is another copy than the one beside this package, as a linked
// checkout or another version is.
import assert from 'node:assert/strict'
import { cpSync, readdirSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import type BetterSqlite3 from 'better-sqlite3'
import { isLitestreamError } from '../../../src/errors.js'
import { packageRoot } from '../../../src/package-files.js'
import { replicate } from '../../../src/primary/replicate.js'
import { openReplica } from '../../../src/replica/handle/open-replica.js'
import { cleanUp } from '../../support/clean-up.js'
import { temporaryDirectory } from '../../support/temporary-directory.js'

/** Loads a second copy of better-sqlite3 from a temporary folder. */
function anotherCopy(t: TestContext): new (file: string, options?: BetterSqlite3.Options) => BetterSqlite3.Database {
  const modules = path.join(temporaryDirectory(t), 'node_modules')
  for (const name of ['better-sqlite3', 'bindings', 'file-uri-to-path']) {
    cpSync(path.join(packageRoot(), 'node_modules', name), path.join(modules, name), {
      recursive: true,
      filter: (file) => !/\/(deps|obj|obj\.target|src)$/.test(file),
    })
  }
  return createRequire(path.join(modules, 'app.js'))('better-sqlite3')
}

test("replicate and openReplica use the application's copy of SQLite, whether it is detected or configured", async (t) => {
  const dir = temporaryDirectory(t)
  const Database = anotherCopy(t)
  const file = path.join(dir, 'app.db')
  const app = new Database(file)
  cleanUp(t, () => app.close())
  app.exec("PRAGMA journal_mode = wal; CREATE TABLE t (v); INSERT INTO t VALUES ('one')")
  for (const options of [{}, { driver: Database }]) {
    const url = `file://${dir}/replica-${Object.keys(options).length}`
    const replication = await replicate(file, url, options)
    await replication.sync({ wait: true })
    await replication.close()
    const replica = await openReplica(url, options)
    const reader = new Database(replica.uri, { readonly: true })
    assert.equal(reader.prepare('SELECT v FROM t').pluck().get(), 'one')
    reader.close()
    await replica.close()
  }
  assert.equal(app.pragma('integrity_check', { simple: true }), 'ok')
})

test('a copy of SQLite without the VFS refuses a replica URI, and creates no file with the URI as its name', async (t) => {
  const dir = temporaryDirectory(t)
  const file = path.join(dir, 'app.db')
  const First = anotherCopy(t)
  const app = new First(file)
  app.exec('CREATE TABLE t (v)')
  app.close()
  const replication = await replicate(file, `file://${dir}/replica`, { driver: First })
  await replication.sync({ wait: true })
  await replication.close()
  const replica = await openReplica(`file://${dir}/replica`, { driver: First })
  cleanUp(t, () => replica.close())
  const before = readdirSync('.')
  const Later = anotherCopy(t)
  for (const readonly of [true, false]) {
    assert.throws(() => new Later(replica.uri, { readonly }), /no such vfs: litestream|unable to open database file/)
  }
  // What a driver does that reads no URIs.
  assert.throws(() => writeFileSync(replica.uri, ''), { code: 'ENOENT' })
  assert.deepEqual(readdirSync('.'), before)
})

test('an object that is not an SQLite driver is refused, and the error states the next step', async (t) => {
  const url = `file://${temporaryDirectory(t)}`
  const isInvalid = (error: unknown) => isLitestreamError(error, 'INVALID_ARGUMENT') && error.hint !== ''
  class Fake {
    readonly loadExtension = undefined
  }
  await assert.rejects(openReplica(url, { driver: Fake as never }), isInvalid)
  await assert.rejects(openReplica(url, { driver: 'better-sqlite3' as never }), isInvalid)
  await assert.rejects(replicate('app.db', url, { driver: Fake as never }), isInvalid)
  const refuses = { loadExtension: () => assert.fail('not authorized'), close: () => undefined }
  await assert.rejects(
    openReplica(url, { driver: refuses }),
    (error) => isLitestreamError(error, 'NATIVE_MISSING') && /cannot load the extension/.test(error.message),
  )
})
