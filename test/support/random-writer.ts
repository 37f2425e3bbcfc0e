import type { History } from './history.js'
import type { Random } from './random.js'

const SCHEMA = `
  CREATE TABLE a (id INTEGER PRIMARY KEY, k INTEGER, v TEXT);
  CREATE INDEX a_k ON a (k);
  CREATE TABLE b (k TEXT PRIMARY KEY, v BLOB) WITHOUT ROWID;
  CREATE VIRTUAL TABLE f USING fts5 (body);
  CREATE VIRTUAL TABLE r USING rtree (id, x0, x1);
  CREATE TABLE big (id INTEGER PRIMARY KEY, v BLOB);`

/**
 * The same tables for another incarnation of a replica: created in another order, so that the same
 * number of schema changes leads to other root pages. A table of one row contains the incarnation.
 */
export function schemaOf(life: number, random: Random): string {
  const statements = `${SCHEMA} CREATE TABLE life (n INTEGER)`.split(';').filter((sql) => !sql.includes('INDEX'))
  for (let i = statements.length - 1; i > 0; i--) {
    const other = random.integer(0, i)
    ;[statements[i], statements[other]] = [statements[other], statements[i]]
  }
  return `${statements.join(';')}; CREATE INDEX a_k ON a (k); INSERT INTO life VALUES (${life})`
}

/**
 * One random change of a database with SCHEMA: rows, schema, page count, vacuums, and now and then
 * the page size.
 */
export function randomChange(random: Random, history: History): string {
  const n = random.integer(1, 1_000_000)
  const numbers = (count: number) =>
    `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${count})`
  const changes: [number, () => string][] = [
    [
      6,
      () =>
        `${numbers(random.integer(1, 400))} INSERT INTO a (k, v) SELECT (i * ${n}) % 1000, hex(randomblob(i % 90)) FROM n`,
    ],
    [6, () => `UPDATE a SET k = k + 1, v = v || 'x' WHERE k % ${random.integer(2, 40)} = 0`],
    [3, () => `DELETE FROM a WHERE k % ${random.integer(2, 9)} = 1`],
    [
      3,
      () =>
        `${numbers(random.integer(1, 100))} INSERT OR REPLACE INTO b SELECT 'k' || (i * ${n} % 500), randomblob(i) FROM n`,
    ],
    [2, () => `DELETE FROM b WHERE length(v) % ${random.integer(2, 5)} = 0`],
    [3, () => `${numbers(20)} INSERT INTO f SELECT 'word' || (i * ${n} % 50) || ' common text ' || i FROM n`],
    [
      2,
      () => `${numbers(20)} INSERT OR REPLACE INTO r SELECT i * ${n} % 3000, i, i + ${random.integer(0, 100)} FROM n`,
    ],
    [2, () => `INSERT INTO big (v) VALUES (randomblob(${random.integer(1, 60_000)}))`],
    [2, () => 'DELETE FROM big WHERE id IN (SELECT id FROM big ORDER BY random() LIMIT 3)'],
    [2, () => `PRAGMA incremental_vacuum(${random.integer(1, 30)})`],
    [1, () => 'VACUUM'],
    [1, () => `CREATE TABLE IF NOT EXISTS t${n % 7} (x); INSERT INTO t${n % 7} VALUES (${n})`],
    [1, () => `DROP TABLE IF EXISTS t${n % 7}`],
    [1, () => 'REINDEX; DELETE FROM a WHERE id % 2 = 0'],
  ]
  const total = changes.reduce((sum, [weight]) => sum + weight, 0)
  let at = random.next() * total
  for (const [weight, change] of changes) {
    at -= weight
    if (at < 0) return change()
  }
  return `INSERT INTO a (k) VALUES (${history.txid})`
}

/** A query with one answer for every state of such a database. */
export function randomQuery(random: Random): string {
  return random.pick([
    'SELECT count(*), sum(k), sum(length(v)) FROM a',
    `SELECT * FROM a WHERE k = ${random.integer(0, 1000)} ORDER BY id`,
    `SELECT * FROM a WHERE id = ${random.integer(1, 3000)}`,
    'SELECT k, count(*) FROM a GROUP BY k ORDER BY k',
    'SELECT * FROM a ORDER BY v, id LIMIT 50',
    'SELECT k, hex(v) FROM b ORDER BY k',
    `SELECT rowid, body FROM f WHERE f MATCH 'word${random.integer(0, 50)}' ORDER BY rowid`,
    `SELECT id FROM r WHERE x0 > ${random.integer(0, 20)} AND x1 < ${random.integer(20, 120)} ORDER BY id`,
    'SELECT id, length(v), hex(substr(v, -8)) FROM big ORDER BY id',
    'SELECT name, sql FROM sqlite_schema ORDER BY name',
    "SELECT a.id, b.v IS NULL FROM a LEFT JOIN b ON b.k = 'k' || a.k ORDER BY a.id LIMIT 200",
    'SELECT count(*) FROM pragma_page_count, a',
    'SELECT page_count FROM pragma_page_count',
  ])
}
