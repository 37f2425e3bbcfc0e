import Database from 'better-sqlite3'
import { openReplica } from 'litestream-ts'

const replica = await openReplica(process.env.REPLICA_URL)
const db = new Database(replica.uri, { readonly: true })
console.log(db.prepare('SELECT count(*) FROM t').pluck().get())
db.close()
await replica.close()
