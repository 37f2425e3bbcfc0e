/**
 * A program of an application that has installed this package: it writes a database through the
 * driver, replicates it to a URL, and reads it back through a replica. Arguments: the driver, the
 * URL. Prints the rows.
 */
export const APPLICATION = `
import { openReplica, replicate } from 'litestream-ts'
const [driver, url] = process.argv.slice(2)
const open = driver === 'node:sqlite'
  ? await import('node:sqlite').then(({ DatabaseSync }) => (file, readOnly) => new DatabaseSync(file, { readOnly }))
  : await import('better-sqlite3').then(({ default: Database }) => (file, readonly) => new Database(file, { readonly }))
const file = process.pid + '.db'
const db = open(file, false)
db.exec("PRAGMA journal_mode = WAL; CREATE TABLE t (v TEXT); INSERT INTO t VALUES ('a'), ('b')")
const replication = await replicate(file, url, { driver, compaction: false })
await replication.sync({ wait: true })
await replication.close()
db.close()
const replica = await openReplica(url)
const reader = open(replica.uri, true)
console.log(reader.prepare('SELECT v FROM t ORDER BY v').all().map(({ v }) => v).join())
reader.close()
await replica.close()
`
