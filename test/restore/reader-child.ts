// Reads a following database (first argument) repeatedly, with its own SQLite in its own process,
// until stopped. Exits with 1 and a message if it sees anything but one transaction's state: every
// row has the number of the last change, and their count.
import Database from 'better-sqlite3'

const file = process.argv[2]!
let stop = false
process.stdin.once('data', () => {
  stop = true
})
const db = new Database(file, { readonly: true, timeout: 10_000 })
let reads = 0
let last = 0
const states = new Set<number>()
function read(): void {
  const row = db.prepare('SELECT min(n) a, max(n) b, count(*) c, max(total) t FROM t').get() as {
    a: number
    b: number
    c: number
    t: number
  }
  if (row.a !== row.b || row.c !== row.t || row.a < last) {
    console.log(`torn after ${reads} reads: ${JSON.stringify(row)}, last ${last}`)
    process.exit(1)
  }
  last = row.a
  states.add(row.a)
  reads++
  if (!stop) setImmediate(read)
  else {
    const check = db.pragma('integrity_check', { simple: true })
    console.log(JSON.stringify({ reads, states: states.size, check }))
    process.exit(check === 'ok' ? 0 : 1)
  }
}
read()
