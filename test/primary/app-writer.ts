// An application in a separate process: `node app-writer.js FILE ACKNOWLEDGED SETTINGS`. It commits
// until SIGTERM, and records the number of each commit after SQLite has acknowledged it. Every
// committed state differs from all others: see assertAppState.
import { openSync, writeSync } from 'node:fs'
import Database from 'better-sqlite3'

export interface AppSettings {
  readonly pageSize: number
  /** Pages; -1: SQLite's default. */
  readonly autoCheckpoint: number
  /** Longest pause between commits, milliseconds. */
  readonly pause: number
  /** Number of transactions to commit before ending; 0: until SIGTERM. */
  readonly commits: number
  /** Occasionally runs VACUUM, and checkpoints of all modes. */
  readonly rough: boolean
}

/** Keys of the table that every transaction changes. */
export const APP_KEYS = 400

function main(file: string, acknowledged: string, settings: AppSettings): void {
  const db = new Database(file, { timeout: 60_000 })
  db.pragma(`page_size = ${settings.pageSize}`)
  db.pragma('auto_vacuum = incremental')
  db.pragma('journal_mode = wal')
  db.pragma('synchronous = normal')
  if (settings.autoCheckpoint >= 0) db.pragma(`wal_autocheckpoint = ${settings.autoCheckpoint}`)
  db.exec(`
    CREATE TABLE IF NOT EXISTS state (id INTEGER PRIMARY KEY CHECK (id = 1), n INTEGER, total INTEGER);
    INSERT OR IGNORE INTO state VALUES (1, 0, 0);
    CREATE TABLE IF NOT EXISTS keys (k INTEGER PRIMARY KEY, n INTEGER, filler BLOB);
    CREATE INDEX IF NOT EXISTS keys_n ON keys (n);
  `)
  const current = db.prepare('SELECT n FROM state').pluck()
  const put = db.prepare('INSERT OR REPLACE INTO keys (k, n, filler) VALUES (?, ?, randomblob(?))')
  const remove = db.prepare('DELETE FROM keys WHERE k BETWEEN ? AND ?')
  const note = db.prepare('UPDATE state SET n = ?, total = (SELECT coalesce(sum(n * (k + 1)), 0) FROM keys)')
  const random = (below: number) => Math.floor(Math.random() * below)
  const commit = db.transaction((n: number) => {
    const many = random(20) === 0
    for (let i = many ? 200 : 1 + random(5); i > 0; i--) put.run(random(APP_KEYS), n, random(many ? 3000 : 300))
    if (random(10) === 0) remove.run(random(APP_KEYS), random(APP_KEYS))
    note.run(n)
  })
  const log = openSync(acknowledged, 'a')
  let ended = false
  process.on('SIGTERM', () => {
    ended = true
  })
  const step = (left: number) => {
    if (ended || left === 0) {
      db.close()
      return
    }
    const n = (current.get() as number) + 1
    commit.immediate(n)
    writeSync(log, `${n}\n`)
    if (settings.rough) disturb(db, random)
    setTimeout(step, random(settings.pause + 1), left - 1)
  }
  step(settings.commits || Number.POSITIVE_INFINITY)
}

/** Operations of applications on their own WAL. A checkpoint that gets no lock has no effect. */
function disturb(db: Database.Database, random: (below: number) => number): void {
  const modes = ['PASSIVE', 'FULL', 'RESTART', 'TRUNCATE']
  const chance = random(200)
  db.pragma('busy_timeout = 20')
  try {
    if (chance < modes.length) db.pragma(`wal_checkpoint(${modes[chance]})`)
    if (chance === 10) db.exec('VACUUM')
    if (chance === 11) db.pragma('incremental_vacuum')
  } catch (error) {
    if (!String((error as { code?: string }).code).startsWith('SQLITE_BUSY')) throw error
  } finally {
    db.pragma('busy_timeout = 60000')
  }
}

const [file, acknowledged, settings] = process.argv.slice(2)
main(file!, acknowledged!, JSON.parse(settings!))
