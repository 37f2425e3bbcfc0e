import Database from 'better-sqlite3'
import { openReplica } from 'litestream-ts'

export const dynamic = 'force-dynamic'

let opened

async function open() {
  const replica = await openReplica(process.env.REPLICA_URL)
  return new Database(replica.uri, { readonly: true })
}

export async function GET() {
  opened ??= open()
  const db = await opened
  return new Response(String(db.prepare('SELECT count(*) FROM t').pluck().get()))
}
