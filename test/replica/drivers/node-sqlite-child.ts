// Runs under a current Node, started by node-sqlite.test.ts: the cases on node:sqlite, while the
// parent keeps the primary.
import { once } from 'node:events'
import { createRequire } from 'node:module'
import { after } from 'node:test'
import { registerDrivers } from '../../../src/replica/handle/drivers.js'
import { driverCases } from './cases.js'
import type { Fixture } from './fixture.js'

interface DatabaseSync {
  prepare(sql: string): { setReturnArrays(on: boolean): void; all(): unknown[][]; columns(): { name: string }[] }
  exec(sql: string): void
  close(): void
}
const sqlite = createRequire(import.meta.url)('node:sqlite') as {
  DatabaseSync: new (file: string, options: { readOnly: boolean }) => DatabaseSync
}

const [fixture] = (await once(process, 'message')) as [Fixture]
registerDrivers()
driverCases(
  (file, readOnly = false) => {
    const db = new sqlite.DatabaseSync(file, { readOnly })
    return {
      rows: (sql) => {
        const statement = db.prepare(sql)
        statement.setReturnArrays(true)
        return statement.all()
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
  async (sql) => {
    process.send?.(sql)
    await once(process, 'message')
  },
)
after(() => process.disconnect())
