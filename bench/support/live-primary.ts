import { copyFileSync, rmSync } from 'node:fs'
import path from 'node:path'
import Database from 'better-sqlite3'
import { type ReplicateOptions, type Replication, replicate } from '../../src/index.js'
import { Random } from './random.js'

/** An application's database that is written to and replicated, made from a dataset. */
export class LivePrimary {
  readonly db: Database.Database
  readonly replication: Replication
  /** Makes one small transaction. */
  readonly write: () => void

  private constructor(db: Database.Database, replication: Replication) {
    this.db = db
    this.replication = replication
    this.write = smallTransaction(db)
  }

  /** Copies `file` into `directory` and replicates the copy to `url`. */
  static async start(
    file: string,
    directory: string,
    url: string,
    options: ReplicateOptions = {},
  ): Promise<LivePrimary> {
    const copy = path.join(directory, 'primary.db')
    rmSync(`${directory}/.primary.db-litestream`, { recursive: true, force: true })
    copyFileSync(file, copy)
    const db = new Database(copy)
    db.pragma('journal_mode = wal')
    db.pragma('synchronous = normal')
    const replication = await replicate(copy, url, options)
    return new LivePrimary(db, replication)
  }

  /** This many transactions, each with its own L0 file. */
  async writeFiles(count: number): Promise<void> {
    for (let i = 0; i < count; i++) {
      this.write()
      await this.replication.sync({ wait: true })
    }
  }

  async close(): Promise<void> {
    await this.replication.close()
    this.db.close()
  }
}

/** A typical transaction of a web application, a like: changes two indexes and a row. */
export function smallTransaction(db: Database.Database): () => void {
  const random = new Random(11)
  const like = db.prepare('INSERT INTO likes (user_id, post_id, created_at) VALUES (?, ?, ?)')
  const count = db.prepare('UPDATE posts SET like_count = like_count + 1 WHERE id = ?')
  return db.transaction(() => {
    const post = 1 + random.below(10_000)
    like.run(1 + random.below(1000), post, 1)
    count.run(post)
  })
}
