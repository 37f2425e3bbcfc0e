// A warm reader: reports the cost of its reads to the parent as JSON. Arguments: replica, the call
// counter's library.
import Database from 'better-sqlite3'
import { openReplica } from '../../src/index.js'

const [url, counter] = process.argv.slice(2) as [string, string]
const replica = await openReplica(url, { pollInterval: '1h' })
const db = new Database(replica.uri, { readonly: true })
db.loadExtension(counter)
const calls = db.prepare('SELECT call_counts()').pluck()
const counts = () => JSON.parse(calls.get() as string) as Record<string, number>
const lookUp = db.prepare('SELECT length(a) FROM t WHERE id = ?').pluck()
const scan = db.prepare('SELECT sum(length(a)) FROM t').pluck()
// Nothing of SQLite's own cache helps: it has room for a few pages.
db.pragma('cache_size = 5')

while ((await replica.workerStats()).underWay > 0);
counts()
scan.get()
const cold = counts()
// The last page that was marked for reading ahead is read here.
scan.get()

const before = replica.stats()
counts() // asking for the figures is no read
for (let i = 0; i < 500; i++) lookUp.get(1 + ((i * 37) % 1000))
db.transaction(() => {
  for (let i = 0; i < 500; i++) lookUp.get(1 + ((i * 37) % 1000))
})()
scan.get()
const warm = counts()
const after = replica.stats()
const reads = { hits: after.hits - before.hits, crossings: after.crossings - before.crossings }
process.send!({ cold, warm, ...reads })
db.close()
await replica.close()
process.disconnect()
