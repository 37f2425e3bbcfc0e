// A fresh process: imports the package as it is published, from the file of its first argument,
// opens the replica of the second one, reads a row, opens it again by the URL of the third one,
// tells how long each took.
const start = performance.now()
const spent = process.cpuUsage()
const { openReplica } = (await import(process.argv[2]!)) as typeof import('../../src/index.js')
const imported = performance.now()
const replica = await openReplica(process.argv[3]!)
const opened = performance.now()
const { default: Database } = await import('better-sqlite3')
const db = new Database(replica.uri, { readonly: true })
db.prepare('SELECT count(*) FROM sqlite_schema').get()
const read = performance.now()
const { user, system } = process.cpuUsage(spent)
db.close()
await replica.close()
const closed = performance.now()
const again = await openReplica(process.argv[4]!)
process.send!({
  again: performance.now() - closed,
  cpu: (user + system) / 1000,
  import: imported - start,
  open: opened - imported,
  row: read - opened,
  all: read - start,
})
await again.close()
process.disconnect()
