// The application of a fault soak, in a process of its own: it commits to the databases named in
// its arguments, in turn. Messages: `{ id, do: 'pause', file }` closes the connection and answers,
// `{ id, do: 'commit', file }` answers once one more commit succeeded. A failed statement costs the
// connection: the next turn opens another one, as an application does that is restarted.
import Database from 'better-sqlite3'

export interface WriterCommand {
  readonly id: number
  readonly do: 'pause' | 'resume' | 'commit'
  readonly file: string
}

/** Milliseconds between two turns. */
const PAUSE = 20
/** Commits on one connection before it is closed. */
const COMMITS = 25

class Application {
  readonly #file: string
  #db: Database.Database | undefined
  #commits = 0
  isPaused = false
  /** Answered after the next commit. */
  readonly waiting: number[] = []

  constructor(file: string) {
    this.#file = file
  }

  close(): void {
    this.#db?.close()
    this.#db = undefined
  }

  /** One commit. Returns whether it succeeded. */
  commit(): boolean {
    try {
      this.#db ??= this.#open()
      this.#write(this.#db)
      if (++this.#commits % COMMITS === 0) this.close()
      return true
    } catch (error) {
      // What a fault does to an application: it gets an error of SQLite, and tries again.
      if (!(error instanceof Database.SqliteError)) throw error
      this.close()
      return false
    }
  }

  #open(): Database.Database {
    const db = new Database(this.#file, { timeout: 1000, fileMustExist: true })
    db.pragma('journal_mode = wal')
    db.exec('CREATE TABLE IF NOT EXISTS t (k INTEGER PRIMARY KEY, n INTEGER, filler BLOB)')
    return db
  }

  #write(db: Database.Database): void {
    const put = db.prepare('INSERT OR REPLACE INTO t VALUES (?, ?, randomblob(?))')
    const random = (below: number) => Math.floor(Math.random() * below)
    const rows = random(40) === 0 ? 100 : 3
    db.transaction(() => {
      for (let i = 0; i < rows; i++) put.run(random(500), this.#commits, random(600))
    }).immediate()
  }
}

const applications = new Map(process.argv.slice(2).map((file) => [file, new Application(file)]))
process.on('message', ({ id, do: what, file }: WriterCommand) => {
  const application = applications.get(file)!
  if (what === 'commit') {
    application.waiting.push(id)
    return
  }
  application.isPaused = what === 'pause'
  if (application.isPaused) application.close()
  process.send!(id)
})
process.on('disconnect', () => process.exit(0))
setInterval(() => {
  for (const application of applications.values()) {
    if (application.isPaused && application.waiting.length === 0) continue
    if (!application.commit()) continue
    for (const id of application.waiting.splice(0)) process.send!(id)
  }
}, PAUSE)
