// A fresh process: imports the package as it is published, from the file of its first argument,
// opens the replica of the second one for writing, commits a row, and tells how long each took.
const start = performance.now()
const spent = process.cpuUsage()
const { openReplica } = (await import(process.argv[2]!)) as typeof import('../../src/index.js')
const imported = performance.now()
const replica = await openReplica(process.argv[3]!, { write: { compaction: false } })
const opened = performance.now()
const { default: Database } = await import('better-sqlite3')
const db = new Database(replica.uri)
db.prepare("UPDATE t SET v = 'first' || substr(v, 6) WHERE id = 7").run()
const committed = performance.now()
const { user, system } = process.cpuUsage(spent)
db.close()
await replica.close()
process.send!({
  cpu: (user + system) / 1000,
  import: imported - start,
  open: opened - imported,
  commit: committed - opened,
  all: committed - start,
})
process.disconnect()
