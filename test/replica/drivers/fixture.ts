import { copyFileSync } from 'node:fs'
import path from 'node:path'
import type { TestContext } from 'node:test'
import { damageFrame, makeSource, type Source, value } from '../../support/replica.js'

/**
 * Replicas and the files they were made from; plain data, because another process may be given it.
 */
export interface Fixture {
  readonly directory: string
  readonly rows: number
  readonly databases: readonly { readonly pageSize: number; readonly url: string; readonly file: string }[]
  /** The URL of a replica that changes while it is read. */
  readonly live: string
  /** The URL of a replica with a page of table `a` that cannot be read. */
  readonly damaged: string
}

const ROWS = 1500
const SCHEMA = `
  CREATE TABLE a (id INTEGER PRIMARY KEY, k TEXT, v TEXT);
  CREATE TABLE b (k TEXT PRIMARY KEY, v BLOB) WITHOUT ROWID;
  CREATE INDEX a_k ON a (k);
  CREATE VIRTUAL TABLE f USING fts5 (body);
  CREATE VIRTUAL TABLE r USING rtree (id, x0, x1);
  CREATE VIEW v AS SELECT k, count(*) AS c FROM a GROUP BY k;
  WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${ROWS})
    INSERT INTO a SELECT i, 'k' || (i % 50), hex(randomblob(i % 100)) FROM n;
  INSERT INTO b SELECT k, randomblob(70) FROM a GROUP BY k;
  INSERT INTO f SELECT 'word' || (id % 20) || ' and more' FROM a;
  INSERT INTO r SELECT id, id % 100, id % 100 + 5 FROM a;`

/** Not bound to a test: `remove` takes it away. */
export async function makeFixture(): Promise<{ fixture: Fixture; live: Source; remove(): Promise<void> }> {
  const steps: (() => unknown)[] = []
  const t = { after: (step: () => unknown) => steps.push(step) } as unknown as TestContext
  const databases = []
  let directory = ''
  for (const pageSize of [4096, 512, 1024, 2048, 8192, 16384, 32768, 65536]) {
    const source = await makeSource(t, { pageSize })
    directory = source.directory
    await source.history.commit(SCHEMA)
    const file = path.join(source.directory, 'copy.db')
    copyFileSync(path.join(source.directory, 'primary.db'), file)
    databases.push({ pageSize, url: source.url, file })
  }
  const live = await makeSource(t)
  await live.history.commit(`CREATE TABLE t (n INTEGER); INSERT INTO t VALUES (0);
    CREATE VIEW moved AS SELECT litestream_set_time('LATEST')`)
  const damaged = await makeSource(t)
  const info = await damaged.history.commit(SCHEMA)
  const last = "SELECT max(pageno) FROM dbstat WHERE name = 'a' AND pagetype = 'leaf'"
  await damageFrame(damaged, info, Number(value(damaged.history.db, last)), 'payload')
  const remove = async () => {
    for (const step of steps) await step()
  }
  return { fixture: { directory, rows: ROWS, databases, live: live.url, damaged: damaged.url }, live, remove }
}
