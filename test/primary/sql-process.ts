// Runs SQL on a database in a process of its own: `node sql-process.js FILE SQL…`, a transaction
// each; then closes it as the last connection does, or with `--die` as its first argument ends
// without closing.
import Database from 'better-sqlite3'

const [first, ...rest] = process.argv.slice(2)
const die = first === '--die'
const [file, ...statements] = die ? rest : [first, ...rest]
const db = new Database(file!, { timeout: 10_000 })
for (const sql of statements) db.exec(sql)
if (die) process.kill(process.pid, 'SIGKILL')
db.close()
