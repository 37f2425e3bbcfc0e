import path from 'node:path'
import type { TestContext } from 'node:test'
import { pathToFileURL } from 'node:url'
import Database from 'better-sqlite3'
import { openReplica, type Replica } from '../../src/replica/handle/open-replica.js'
import type { ReplicaOptions } from '../../src/replica/options.js'
import { restore } from '../../src/restore/restore.js'
import { openReplicaClient } from '../../src/storage/open.js'
import { cleanUp } from './clean-up.js'
import { temporaryDirectory } from './temporary-directory.js'

/** A replica that the test writes through the VFS. */
export interface WrittenReplica {
  readonly directory: string
  /** The folder of a `file://` replica. */
  readonly files: string
  readonly url: string
  readonly replica: Replica
  readonly db: Database.Database
}

/** The URL of a replica without files, in a folder of the test's own. */
export function emptyReplicaUrl(t: TestContext): {
  readonly directory: string
  readonly files: string
  readonly url: string
} {
  const directory = temporaryDirectory(t)
  const files = path.join(directory, 'replica')
  return { directory, files, url: pathToFileURL(files).href }
}

/** Opens a replica for writing, and a connection to it; both are closed when the test ends. */
export async function openForWriting(
  t: TestContext,
  url: string,
  options: ReplicaOptions = {},
): Promise<{ readonly replica: Replica; readonly db: Database.Database }> {
  const replica = await openReplica(url, { write: { lease: false }, ...options })
  cleanUp(t, () => replica.close())
  const db = new Database(replica.uri)
  cleanUp(t, () => db.close())
  return { replica, db }
}

export async function makeWritten(t: TestContext, options: ReplicaOptions = {}): Promise<WrittenReplica> {
  const place = emptyReplicaUrl(t)
  return { ...place, ...(await openForWriting(t, place.url, options)) }
}

/** The database that a restore of the replica makes, open for reading until the test ends. */
export async function restoredDatabase(t: TestContext, url: string, txid?: number): Promise<Database.Database> {
  const output = path.join(temporaryDirectory(t), 'restored.db')
  const client = await openReplicaClient(url)
  try {
    await restore(client, { output, integrityCheck: 'full', ...(txid === undefined ? {} : { txid }) })
  } finally {
    await client.close()
  }
  const db = new Database(output)
  t.after(() => db.close())
  return db
}

/** What is thrown, as `CODE`; undefined if nothing is. */
export function codeOf(run: () => unknown): string | undefined {
  try {
    run()
    return undefined
  } catch (error) {
    return (error as { code?: string }).code ?? String(error)
  }
}
