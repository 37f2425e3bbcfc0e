import type { Random } from './random.js'

export interface Query {
  readonly name: string
  readonly sql: string
  /** Reads a whole table. */
  readonly scan?: boolean
  /** Makes the parameters of one execution. */
  readonly parameters: (random: Random, size: { readonly users: number; readonly posts: number }) => number[]
}

/** The six queries that turbolite publishes, on the dataset's tables. */
export const QUERIES: readonly Query[] = [
  {
    name: 'post + user',
    sql: `SELECT p.id, p.content, p.created_at, p.like_count, u.first_name, u.last_name, u.city
          FROM posts p JOIN users u ON u.id = p.user_id WHERE p.id = ?`,
    parameters: (random, { posts }) => [1 + random.below(posts)],
  },
  {
    name: 'profile',
    sql: `SELECT u.first_name, u.last_name, u.about, p.id, p.content, p.created_at, p.like_count
          FROM users u JOIN posts p ON p.user_id = u.id WHERE u.id = ? ORDER BY p.created_at DESC LIMIT 10`,
    parameters: (random, { users }) => [1 + random.below(users)],
  },
  {
    name: 'who liked',
    sql: `SELECT u.id, u.first_name, u.last_name, l.created_at
          FROM likes l JOIN users u ON u.id = l.user_id WHERE l.post_id = ? ORDER BY l.created_at DESC LIMIT 50`,
    parameters: (random, { posts }) => [1 + random.below(posts)],
  },
  {
    name: 'mutual friends',
    sql: `SELECT u.id, u.first_name, u.last_name FROM friendships a
          JOIN friendships b ON b.user_a = ? AND b.user_b = a.user_b JOIN users u ON u.id = a.user_b
          WHERE a.user_a = ? ORDER BY u.id LIMIT 20`,
    parameters: (random, { users }) => {
      const user = 1 + random.below(users)
      return [user, 1 + ((user + 5) % users)]
    },
  },
  {
    name: 'indexed filter',
    sql: 'SELECT count(*) FROM posts WHERE user_id = ?',
    parameters: (random, { users }) => [1 + random.below(users)],
  },
  {
    name: 'full scan',
    sql: 'SELECT count(*) FROM posts WHERE like_count > ?',
    scan: true,
    parameters: (random) => [random.below(100)],
  },
]

/** A table of about 5 MB at 200,000 posts. */
export const USERS_SCAN: Query = {
  name: 'users scan',
  sql: 'SELECT count(*), sum(length(about)) FROM users',
  scan: true,
  parameters: () => [],
}

/** An autocommit lookup by primary key, the least a query can do. */
export const LOOKUP: Query = {
  name: 'lookup',
  sql: 'SELECT first_name, last_name, city FROM users WHERE id = ?',
  parameters: (random, { users }) => [1 + random.below(users)],
}
