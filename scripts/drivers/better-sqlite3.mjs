import Database from 'better-sqlite3'
import { check } from './harness.mjs'

await check({
  driver: Database,
  count(name) {
    const db = new Database(name, { readonly: true })
    const rows = db.prepare('SELECT count(*) FROM t').pluck().get()
    db.close()
    return rows
  },
  write(file, rows) {
    const db = new Database(file, { timeout: 5000 })
    db.pragma('journal_mode = wal')
    db.exec('CREATE TABLE IF NOT EXISTS t (x INTEGER PRIMARY KEY)')
    const insert = db.prepare('INSERT INTO t DEFAULT VALUES')
    db.transaction(() => {
      for (let i = 0; i < rows; i++) insert.run()
    }).immediate()
    db.close()
  },
})
