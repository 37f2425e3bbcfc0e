import { after } from 'node:test'
import Database from 'better-sqlite3'
import { registerDrivers } from '../../../src/replica/handle/drivers.js'
import { driverCases } from './cases.js'
import { makeFixture } from './fixture.js'

const { fixture, live, remove } = await makeFixture()
after(remove)
registerDrivers()
driverCases(
  (file, readonly = false) => {
    const db = new Database(file, { readonly })
    return {
      rows: (sql) => {
        const statement = db.prepare(sql)
        // An unknown PRAGMA returns no data.
        return statement.reader ? (statement.raw().all() as unknown[][]) : []
      },
      columns: (sql) =>
        db
          .prepare(sql)
          .columns()
          .map(({ name }) => name),
      exec: (sql) => db.exec(sql),
      close: () => db.close(),
    }
  },
  fixture,
  async (sql) => void (await live.history.commit(sql)),
)
