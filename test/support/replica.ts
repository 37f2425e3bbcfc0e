import { readFileSync, utimesSync } from 'node:fs'
import path from 'node:path'
import type { TestContext } from 'node:test'
import { pathToFileURL } from 'node:url'
import Database from 'better-sqlite3'
import { readFileIndex } from '../../src/levels/remote-index.js'
import { formatFileName } from '../../src/ltx/file-name.js'
import { PAGE_HEADER_SIZE } from '../../src/ltx/format.js'
import { openReplica, type Replica } from '../../src/replica/handle/open-replica.js'
import type { ReplicaOptions } from '../../src/replica/options.js'
import { openReplicaClient } from '../../src/storage/open.js'
import type { LtxFileInfo, ReplicaClient } from '../../src/storage/replica-client.js'
import { cleanUp } from './clean-up.js'
import { History } from './history.js'
import { putFile } from './put-file.js'
import { temporaryDirectory } from './temporary-directory.js'

/** A primary's history and the replica it is written to. */
export interface Source {
  readonly directory: string
  /** The directory of a `file://` replica. */
  readonly files: string
  readonly url: string
  readonly client: ReplicaClient
  readonly history: History
}

export interface SourceOptions {
  readonly pageSize?: number
  /**
   * Where the replica is; URL of the replica, by default a `file://` replica in a directory of the
   * test's own.
   */
  readonly url?: string
  readonly autoVacuum?: 'none' | 'full' | 'incremental'
}

/** An empty history; `source.history.commit(sql)` writes a state of it to the replica. */
export async function makeSource(t: TestContext, options: SourceOptions = {}): Promise<Source> {
  const directory = temporaryDirectory(t)
  const files = path.join(directory, 'replica')
  const url = options.url ?? pathToFileURL(files).href
  const client = await openReplicaClient(url)
  const history = new History(path.join(directory, 'primary.db'), client, options.pageSize)
  if (options.autoVacuum) history.db.pragma(`auto_vacuum=${options.autoVacuum}`)
  cleanUp(t, async () => {
    history.close()
    await client.close()
  })
  return { directory, files, url, client, history }
}

/**
 * Opens the replica, and closes it when the test ends. Polls at short intervals, so that a test
 * need not wait.
 */
export async function openTestReplica(t: TestContext, url: string, options: ReplicaOptions = {}): Promise<Replica> {
  const replica = await openReplica(url, { pollInterval: 50, openTimeout: 5000, ...options })
  cleanUp(t, () => replica.close())
  return replica
}

/** A connection that is closed when the test ends. */
export function connect(t: TestContext, uri: string): Database.Database {
  const db = new Database(uri, { readonly: true })
  cleanUp(t, () => db.close())
  return db
}

/** The first column of the first row. */
export function value(db: Database.Database, sql: string, ...parameters: unknown[]): unknown {
  return db
    .prepare(sql)
    .pluck()
    .get(...parameters)
}

/**
 * Overwrites the frame of page `pgno` in a file of a `file://` replica, as a failing disk would;
 * its time and size stay.
 */
export async function damageFrame(
  source: Pick<Source, 'client' | 'files'>,
  info: LtxFileInfo,
  pgno: number,
  part: 'frame' | 'payload' = 'frame',
): Promise<void> {
  const index = await readFileIndex(source.client, info)
  const at = index.offsets[index.pgnos.indexOf(pgno)]
  const name = path.join(source.files, 'ltx', String(info.level), formatFileName(info.minTxid, info.maxTxid))
  const bytes = readFileSync(name)
  // Behind the page header is the length of the payload, 4 bytes.
  const begin = part === 'frame' ? at : at + PAGE_HEADER_SIZE + 4
  bytes.fill(0xff, begin, begin + 14)
  putFile(name, bytes)
  utimesSync(name, info.createdAt / 1000, info.createdAt / 1000)
}

/**
 * Changes one letter of a text that stands uncompressed in a file of a `file://` replica: the file
 * decodes as before.
 */
export async function changeLiteral(source: Source, info: LtxFileInfo, text: string): Promise<void> {
  const name = path.join(source.files, 'ltx', String(info.level), formatFileName(info.minTxid, info.maxTxid))
  const bytes = readFileSync(name)
  const at = bytes.indexOf(text)
  if (at < 0) throw new Error(`"${text}" does not stand in ${name}`)
  bytes[at] ^= 0x20
  putFile(name, bytes)
  utimesSync(name, info.createdAt / 1000, info.createdAt / 1000)
}

/** The page count and every page of a database, as SQL sees it: what makes two of them equal. */
export function integrity(db: Database.Database): string {
  return String(db.pragma('integrity_check', { simple: true }))
}
