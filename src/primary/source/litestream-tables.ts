import { randomBytes } from 'node:crypto'
import type { SourceConnection } from './connection.js'
import { databaseError } from './database-error.js'

/**
 * Litestream creates two tables in every replicated database. Row 1 of `_litestream_seq` counts the
 * primary's own writes. The primary writes to `_litestream_seq` after checkpoints, so that the WAL
 * restarts. Row 2 of `_litestream_seq` holds a random number, by which the primary recognizes
 * copies of the database. Official Litestream does not write row 2. The table `_litestream_lock`
 * stays empty.
 */
const CREATE = `
  CREATE TABLE IF NOT EXISTS _litestream_seq (id INTEGER PRIMARY KEY, seq INTEGER);
  CREATE TABLE IF NOT EXISTS _litestream_lock (id INTEGER);
`
const LINEAGE_ROW = 2

export interface DatabaseIdentity {
  /** A positive random number that is equal in all copies of one database. */
  readonly lineage: number
  /** Number of writes by primaries to the database. */
  readonly sequence: number
}

/**
 * Creates the tables and the lineage number, if they are missing. Returns false if the tables and
 * the lineage number already existed, so that no page was written.
 */
export function ensureTables(connection: SourceConnection): boolean {
  if (hasTables(connection) && identityOf(connection).lineage !== 0) return false
  const lineage = 1 + randomBytes(6).readUIntBE(0, 6)
  const { sqlite, path } = connection
  const insert = 'INSERT INTO _litestream_seq (id, seq) VALUES (?, ?) ON CONFLICT (id) DO NOTHING'
  try {
    sqlite.exec('BEGIN IMMEDIATE')
    sqlite.exec(CREATE)
    sqlite.run(insert, 1, 1)
    sqlite.run(insert, LINEAGE_ROW, lineage)
    sqlite.exec('COMMIT')
    return true
  } catch (error) {
    if (connection.inTransaction) sqlite.exec('ROLLBACK')
    throw databaseError(error, path, 'creating the _litestream tables')
  }
}

function hasTables({ sqlite, path }: SourceConnection): boolean {
  try {
    const names = "('_litestream_seq', '_litestream_lock')"
    return sqlite.value(`SELECT count(*) FROM sqlite_schema WHERE name IN ${names}`) === 2
  } catch (error) {
    throw databaseError(error, path, 'reading the schema')
  }
}

/**
 * Returns the lineage and the sequence as the connection's transaction sees them. For a missing
 * row, the value is 0.
 */
export function identityOf({ sqlite }: SourceConnection): DatabaseIdentity {
  const rows = sqlite.rows('SELECT id, seq FROM _litestream_seq') as { id: number; seq: number }[]
  const value = (id: number) => rows.find((row) => row.id === id)?.seq ?? 0
  return { lineage: value(LINEAGE_ROW), sequence: value(1) }
}

/**
 * Writes one page of the database. If every frame is in the database file and no reader needs the
 * WAL, this write restarts the WAL.
 */
export function bumpSequence(connection: SourceConnection): void {
  const upsert = 'INSERT INTO _litestream_seq (id, seq) VALUES (1, 1) ON CONFLICT (id) DO UPDATE SET seq = seq + 1'
  connection.exec(upsert, 'writing to _litestream_seq')
}
