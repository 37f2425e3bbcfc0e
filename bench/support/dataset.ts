import { existsSync, mkdirSync, renameSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import Database from 'better-sqlite3'
import { Random } from './random.js'

/**
 * A social network as turbolite's benchmark has it: a user wrote ten posts, a post has five likes,
 * a user has forty friends.
 */
export interface Dataset {
  /** The SQLite file, which must not be changed. */
  readonly file: string
  readonly posts: number
  readonly users: number
  /** Bytes. */
  readonly size: number
}

/** Number of posts for a database of about this size. */
export const SIZES = { '10 MB': 12_500, '160 MB': 200_000, '1.5 GB': 1_900_000 } as const

/** Changes with the content below, so that an old file is not mistaken for a new one. */
const VERSION = 1

const SCHEMA = `
  CREATE TABLE users (id INTEGER PRIMARY KEY, first_name TEXT, last_name TEXT, email TEXT, city TEXT, about TEXT);
  CREATE TABLE posts (id INTEGER PRIMARY KEY, user_id INTEGER NOT NULL, content TEXT, created_at INTEGER, like_count INTEGER);
  CREATE TABLE likes (id INTEGER PRIMARY KEY, user_id INTEGER NOT NULL, post_id INTEGER NOT NULL, created_at INTEGER);
  CREATE TABLE friendships (user_a INTEGER NOT NULL, user_b INTEGER NOT NULL, since INTEGER, PRIMARY KEY (user_a, user_b))
    WITHOUT ROWID;`

const INDEXES = `
  CREATE INDEX posts_user ON posts (user_id, created_at);
  CREATE INDEX likes_post ON likes (post_id, created_at);
  CREATE INDEX likes_user ON likes (user_id);`

/** Where datasets are kept between runs: `BENCH_DIR`, or a folder of the system's temporary one. */
export function benchDirectory(): string {
  const directory = process.env.BENCH_DIR ?? path.join(tmpdir(), 'litestream-ts-bench')
  mkdirSync(directory, { recursive: true })
  return directory
}

/** The dataset with this many posts: identical content in every run, created once. */
export function dataset(posts: number): Dataset {
  const file = path.join(benchDirectory(), `social-${VERSION}-${posts}.db`)
  if (!existsSync(file)) build(file, posts)
  return { file, posts, users: usersOf(posts), size: statSync(file).size }
}

function usersOf(posts: number): number {
  return Math.max(50, Math.floor(posts / 10))
}

function build(file: string, posts: number): void {
  const partial = `${file}.partial`
  rmSync(partial, { force: true })
  const db = new Database(partial)
  db.pragma('journal_mode = off')
  db.pragma('synchronous = off')
  db.exec(SCHEMA)
  db.transaction(() => fill(db, posts))()
  db.exec(INDEXES)
  db.exec('ANALYZE')
  db.close()
  renameSync(partial, file)
}

function fill(db: Database.Database, posts: number): void {
  const random = new Random(1)
  const users = usersOf(posts)
  const start = 1_700_000_000
  const user = db.prepare('INSERT INTO users VALUES (?, ?, ?, ?, ?, ?)')
  for (let id = 1; id <= users; id++) {
    const [first, last] = [random.word(), random.word()]
    user.run(id, first, last, `${first}.${last}${id}@example.com`, random.word(), random.text(25))
  }
  const post = db.prepare('INSERT INTO posts VALUES (?, ?, ?, ?, ?)')
  const likes = 5
  for (let id = 1; id <= posts; id++) {
    post.run(id, 1 + random.below(users), random.text(20 + random.below(80)), start + id, random.below(100))
  }
  const like = db.prepare('INSERT INTO likes VALUES (?, ?, ?, ?)')
  for (let id = 1; id <= posts * likes; id++) {
    like.run(id, 1 + random.below(users), 1 + random.below(posts), start + id)
  }
  const friend = db.prepare('INSERT OR IGNORE INTO friendships VALUES (?, ?, ?)')
  for (let a = 1; a <= users; a++) {
    for (let i = 0; i < 20; i++) {
      // Most friends have close ids, so that two users do have some in common.
      const b = 1 + ((a + random.below(200)) % users)
      if (a === b) continue
      friend.run(a, b, start + i)
      friend.run(b, a, start + i)
    }
  }
}
