import type { Random } from './random.js'

/** Tables that `randomStatement` works on. */
export const RANDOM_SQL_SCHEMA = `
  CREATE TABLE a (id INTEGER PRIMARY KEY, k INTEGER NOT NULL, v TEXT UNIQUE);
  CREATE INDEX a_k ON a (k);
  CREATE TABLE b (k TEXT PRIMARY KEY, v BLOB) WITHOUT ROWID;
  CREATE TABLE c (id INTEGER PRIMARY KEY, a INTEGER REFERENCES a (id) ON DELETE CASCADE, v BLOB CHECK (length(v) < 70000));
  CREATE VIRTUAL TABLE f USING fts5 (body);`

/**
 * One random statement that gives the same result on every copy of a database: data, schema,
 * transactions, savepoints, constraint failures, spills of the page cache, vacuums.
 */
export function randomStatement(random: Random): string {
  const n = random.integer(1, 100_000)
  const numbers = (count: number) =>
    `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${count})`
  const statements: readonly [weight: number, sql: () => string][] = [
    [8, () => 'BEGIN'],
    [2, () => 'BEGIN IMMEDIATE'],
    [9, () => 'COMMIT'],
    [3, () => 'ROLLBACK'],
    [3, () => `SAVEPOINT s${n % 3}`],
    [2, () => `RELEASE s${n % 3}`],
    [3, () => `ROLLBACK TO s${n % 3}`],
    [
      9,
      () =>
        `${numbers(random.integer(1, 300))} INSERT OR IGNORE INTO a (k, v) SELECT i * ${n} % 997, 'v' || i * ${n} FROM n`,
    ],
    [3, () => `${numbers(50)} INSERT INTO a (k, v) SELECT CASE i WHEN 40 THEN NULL ELSE i END, 'w' || i * ${n} FROM n`],
    [6, () => `UPDATE a SET k = k + 1, v = v || 'x' WHERE k % ${random.integer(2, 40)} = 0`],
    [3, () => `UPDATE OR ROLLBACK a SET v = 'same' WHERE k % 3 = 0`],
    [4, () => `DELETE FROM a WHERE k % ${random.integer(2, 9)} = 1`],
    [3, () => `${numbers(60)} INSERT OR REPLACE INTO b SELECT 'k' || i * ${n} % 500, zeroblob(i * 7) FROM n`],
    [
      2,
      () =>
        `INSERT INTO c (a, v) SELECT id, CAST(printf('%.*c', ${random.integer(1, 60_000)}, 'y') AS BLOB) FROM a LIMIT 2`,
    ],
    [1, () => `INSERT INTO c (v) VALUES (zeroblob(70001))`],
    [2, () => 'DELETE FROM c WHERE id % 2'],
    [2, () => `${numbers(20)} INSERT INTO f SELECT 'word' || (i * ${n} % 50) || ' common' FROM n`],
    [1, () => `DELETE FROM f WHERE rowid % 3 = ${n % 3}`],
    [1, () => `CREATE TABLE IF NOT EXISTS t${n % 5} (x)`],
    [1, () => `INSERT INTO t${n % 5} VALUES (${n})`],
    [1, () => `DROP TABLE IF EXISTS t${n % 5}`],
    [1, () => `ALTER TABLE b ADD COLUMN c${n % 4}`],
    [1, () => 'VACUUM'],
    [1, () => `PRAGMA incremental_vacuum(${random.integer(1, 30)})`],
    [1, () => 'REINDEX'],
    [1, () => `PRAGMA cache_size = ${random.pick([5, 20, 2000])}`],
    [1, () => `PRAGMA journal_mode = ${random.pick(['DELETE', 'TRUNCATE', 'PERSIST', 'MEMORY'])}`],
  ]
  const total = statements.reduce((sum, [weight]) => sum + weight, 0)
  let at = random.next() * total
  for (const [weight, sql] of statements) {
    at -= weight
    if (at < 0) return sql()
  }
  return 'COMMIT'
}

/** Everything that these tables hold, for a comparison. */
export const RANDOM_SQL_DUMP: readonly string[] = [
  'SELECT name, sql FROM sqlite_schema ORDER BY name',
  'SELECT * FROM a ORDER BY id',
  'SELECT k, hex(v) FROM b ORDER BY k',
  'SELECT id, a, length(v), hex(substr(v, -8)) FROM c ORDER BY id',
  'SELECT rowid, body FROM f ORDER BY rowid',
]
