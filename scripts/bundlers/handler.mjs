// As in docs/deploy.md.
import Database from 'better-sqlite3'
import { openReplica } from 'litestream-ts'

let db

export async function handler() {
  if (db === undefined) {
    const replica = await openReplica(process.env.REPLICA_URL)
    db = new Database(replica.uri, { readonly: true })
  }
  return { body: String(db.prepare('SELECT count(*) FROM t').pluck().get()) }
}
