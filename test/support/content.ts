import { createHash } from 'node:crypto'
import Database from 'better-sqlite3'

/**
 * A hash for the schema and one for each table of a database, rows in the order of all their
 * columns; virtual tables' shadows too.
 */
export function contentHashes(file: string): Record<string, string> {
  const db = new Database(file, { readonly: true })
  try {
    return hashesOf(db)
  } finally {
    db.close()
  }
}

/** The same on a connection, as it sees the database now. */
export function hashesOf(db: Database.Database): Record<string, string> {
  const schema = db.prepare('SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY 1, 2').raw().all()
  const hashes: Record<string, string> = { 'the schema': digest(schema) }
  const tables = db.prepare("SELECT name FROM pragma_table_list WHERE schema = 'main' AND type IN ('table','shadow')")
  for (const name of tables.pluck().all() as string[]) {
    const columns = (db.pragma(`table_info("${name}")`) as { name: string }[]).map((_, i) => i + 1).join(', ')
    const rows = db.prepare(`SELECT * FROM "${name}" ORDER BY ${columns}`).raw().safeIntegers().iterate()
    hashes[name] = digest(rows)
  }
  return hashes
}

function digest(rows: Iterable<unknown>): string {
  const hash = createHash('sha256')
  for (const row of rows as Iterable<readonly unknown[]>) {
    for (const value of row) {
      // With type and length: no two rows look alike. Blobs as they are: as JSON they take seconds
      // for some megabytes.
      if (Buffer.isBuffer(value)) hash.update(`blob ${value.length} `).update(value)
      else hash.update(`${typeof value} ${String(value).length} ${value}`)
    }
    hash.update('\n')
  }
  return hash.digest('hex')
}
