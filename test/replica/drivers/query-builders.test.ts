// Drizzle and Kysely write to a replica as to a local file.
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import Database from 'better-sqlite3'
import { eq, sql } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/better-sqlite3'
import { integer, sqliteTable, text } from 'drizzle-orm/sqlite-core'
import { type Generated, Kysely, SqliteDialect } from 'kysely'
import { cleanUp } from '../../support/clean-up.js'
import { makeWritten, restoredDatabase } from '../../support/written-replica.js'

const CREATE =
  'CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, visits INTEGER NOT NULL DEFAULT 0)'
const ROWS = 'SELECT name, visits FROM users ORDER BY id'

async function expectRestored(t: TestContext, url: string, expected: readonly unknown[][]): Promise<void> {
  assert.deepEqual((await restoredDatabase(t, url)).prepare(ROWS).raw().all(), expected)
}

test('Drizzle inserts, upserts, commits and rolls back in a replica', async (t) => {
  const { db: connection, replica, url } = await makeWritten(t)
  const users = sqliteTable('users', {
    id: integer('id').primaryKey(),
    name: text('name').notNull().unique(),
    visits: integer('visits').notNull().default(0),
  })
  const db = drizzle(connection)
  db.run(sql.raw(CREATE))
  const [ada] = db.insert(users).values({ name: 'Ada' }).returning().all()
  assert.deepEqual(ada, { id: 1, name: 'Ada', visits: 0 })
  const visit = { target: users.name, set: { visits: sql`${users.visits} + 1` } }
  db.transaction(
    (tx) => {
      tx.insert(users).values({ name: 'Ada' }).onConflictDoUpdate(visit).run()
      tx.insert(users).values({ name: 'Grace' }).run()
    },
    { behavior: 'immediate' },
  )
  assert.throws(
    () =>
      db.transaction((tx) => {
        tx.delete(users).run()
        tx.rollback()
      }),
    /Rollback/,
  )
  db.update(users).set({ visits: 7 }).where(eq(users.name, 'Grace')).run()
  // Each of the four changes is one TXID; the rolled-back one is none.
  assert.equal(replica.txid, 4)
  const expected = [
    ['Ada', 1],
    ['Grace', 7],
  ]
  assert.deepEqual(db.select({ name: users.name, visits: users.visits }).from(users).values(), expected)
  await expectRestored(t, url, expected)
})

test('Kysely inserts, upserts, commits and rolls back in a replica with a local buffer', async (t) => {
  const write = { durability: 'local', lease: false, syncInterval: '1h' } as const
  const { replica, url } = await makeWritten(t, { write })
  const connection = new Database(replica.uri)
  connection.exec(CREATE)
  interface Tables {
    users: { id: Generated<number>; name: string; visits: Generated<number> }
  }
  const db = new Kysely<Tables>({ dialect: new SqliteDialect({ database: connection }) })
  cleanUp(t, () => db.destroy())
  await db.insertInto('users').values({ name: 'Ada' }).execute()
  await db.transaction().execute(async (tx) => {
    await tx
      .insertInto('users')
      .values({ name: 'Ada' })
      .onConflict((conflict) => conflict.column('name').doUpdateSet((eb) => ({ visits: eb('users.visits', '+', 1) })))
      .execute()
    await tx.insertInto('users').values({ name: 'Grace' }).execute()
  })
  await assert.rejects(
    db.transaction().execute(async (tx) => {
      await tx.deleteFrom('users').execute()
      throw new Error('changed my mind')
    }),
    /changed my mind/,
  )
  const { numUpdatedRows } = await db
    .updateTable('users')
    .set({ visits: 7 })
    .where('name', '=', 'Grace')
    .executeTakeFirstOrThrow()
  assert.equal(numUpdatedRows, 1n)
  const expected = [
    ['Ada', 1],
    ['Grace', 7],
  ]
  const rows = await db.selectFrom('users').select(['name', 'visits']).orderBy('id').execute()
  assert.deepEqual(
    rows.map(({ name, visits }) => [name, visits]),
    expected,
  )
  await expectRestored(t, url, [])
  await replica.flush()
  await expectRestored(t, url, expected)
})
