import Database from 'libsql'
import { check } from './harness.mjs'

await check({
  driver: Database,
  count(name) {
    const db = new Database(name, { readonly: true })
    const { rows } = db.prepare('SELECT count(*) AS rows FROM t').get()
    db.close()
    return rows
  },
  write(file, rows) {
    const db = new Database(file, {})
    db.exec('PRAGMA busy_timeout = 5000')
    db.pragma('journal_mode = wal')
    db.exec('CREATE TABLE IF NOT EXISTS t (x INTEGER PRIMARY KEY)')
    const insert = db.prepare('INSERT INTO t DEFAULT VALUES')
    db.transaction(() => {
      for (let i = 0; i < rows; i++) insert.run()
    }).immediate()
    db.close()
  },
})
