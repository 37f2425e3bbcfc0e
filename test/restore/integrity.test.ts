import assert from 'node:assert/strict'
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import Database from 'better-sqlite3'
import type { LitestreamError } from '../../src/errors.js'
import { checkIntegrity } from '../../src/integrity/check-integrity.js'
import { replicateOnce } from '../../src/primary/replicate-once.js'
import { follow } from '../../src/restore/follow.js'
import { hydrateFile, restore } from '../../src/restore/restore.js'
import { openReplicaClient } from '../../src/storage/open.js'
import { temporaryDirectory } from '../support/temporary-directory.js'
import { ODD_SCHEMAS, type OddSchema, rename } from './odd-schemas.js'

async function replicated(t: TestContext, { make }: OddSchema) {
  const dir = temporaryDirectory(t)
  const source = path.join(dir, 'app.db')
  const db = new Database(source)
  db.pragma('journal_mode = wal')
  make(db)
  db.close()
  await replicateOnce(source, `file://${dir}/replica`)
  const checkpointing = new Database(source)
  checkpointing.pragma('wal_checkpoint(TRUNCATE)')
  checkpointing.close()
  const client = await openReplicaClient(`file://${dir}/replica`)
  return { dir, source, client, output: path.join(dir, 'out', 'restored.db') }
}

const same = (a: string, b: string) => readFileSync(a).equals(readFileSync(b))

for (const schema of ODD_SCHEMAS) {
  test(`a restore succeeds even if the schema of the database has ${schema.name}`, async (t) => {
    const { source, client, output } = await replicated(t, schema)
    const result = await restore(client, { output })
    assert.deepEqual([result.status, result.integrityCheck], ['restored', 'quick'])
    assert.deepEqual(result.integrity?.outcome, schema.quick, JSON.stringify(result.integrity))
    assert.equal(result.warnings.length, schema.quick === 'ok' ? 0 : 1)
    for (const warning of result.warnings) assert.match(warning, /^.*restored\.db: .*All checksums match/)
    assert.ok(same(output, source))
    assert.deepEqual(readdirSync(path.dirname(output)), ['restored.db'])

    for (const integrityCheck of ['quick', 'full'] as const) {
      rmSync(path.dirname(output), { recursive: true })
      const explicit = restore(client, { output, integrityCheck })
      if (schema[integrityCheck] === 'ok') {
        assert.equal((await explicit).integrity?.outcome, 'ok')
      } else {
        await assert.rejects(explicit, (error: LitestreamError) => {
          assert.equal(error.code, 'INTEGRITY_CHECK_FAILED')
          assert.match(
            error.message,
            schema[integrityCheck] === 'findings' ? /reports: / : /could not run all of PRAGMA/,
          )
          assert.ok(error.hint?.includes('-integrity-check'))
          assert.ok(same(error.file!, source))
          return true
        })
      }
    }
    await hydrateFile(client, { output, force: true })
    assert.ok(same(output, source))
  })
}

test('if the schema of the database cannot be checked, restore with follow starts with a warning', async (t) => {
  const { client, output } = await replicated(t, ODD_SCHEMAS[0]!)
  const stop = new AbortController()
  const warnings: string[] = []
  await follow(client, {
    output,
    signal: stop.signal,
    onWarning: (warning) => warnings.push(warning),
    onAdvance: () => stop.abort(),
  })
  assert.equal(warnings.length, 1)
  assert.match(warnings[0]!, /no such collation sequence: LOCALIZED/)
  const refusing = follow(client, {
    output: `${output}-2`,
    integrityCheck: 'quick',
    signal: new AbortController().signal,
  })
  await assert.rejects(refusing, { code: 'INTEGRITY_CHECK_FAILED' })
})

test('if SQLite cannot check one table, the integrity check still checks the other tables', async (t) => {
  const { client, output } = await replicated(t, {
    ...ODD_SCHEMAS[0]!,
    make(db) {
      ODD_SCHEMAS[0]!.make(db)
      db.exec('CREATE TABLE strict (n NOT NULL); INSERT INTO strict VALUES (1)')
      db.unsafeMode(true)
      db.pragma('writable_schema = on')
      db.prepare(
        "UPDATE sqlite_schema SET sql = 'CREATE TABLE strict (n NOT NULL CHECK (n > 1))' WHERE name = 'strict'",
      ).run()
    },
  })
  const { integrity } = await restore(client, { output })
  assert.equal(integrity?.outcome, 'findings')
  assert.deepEqual(integrity.messages, [
    'CHECK constraint failed in strict',
    'table t: no such collation sequence: LOCALIZED',
  ])
})

test('if this SQLite cannot parse a schema, the integrity check returns incomplete, or damaged if the file also has a fault', async (t) => {
  const file = path.join(temporaryDirectory(t), 'app.db')
  const db = new Database(file)
  db.exec('CREATE TABLE t (a); CREATE TABLE u (a); INSERT INTO t VALUES (1)')
  rename(db, 'CREATE TABLE u (a)', 'CREATE TABLE u (a) NEWER CLAUSE')
  db.close()
  const report = await checkIntegrity(file, 'quick')
  assert.deepEqual([report.outcome, report.messages.length], ['incomplete', 1])
  assert.match(report.messages[0]!, /malformed database schema \(u\)/)
  writeFileSync(file, Buffer.concat([readFileSync(file), Buffer.alloc(4096)]))
  const damaged = await checkIntegrity(file, 'full')
  assert.equal(damaged.outcome, 'damaged')
  assert.equal(damaged.messages[0], 'page 4 is never used')
})
