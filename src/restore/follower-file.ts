import { type FileHandle, stat } from 'node:fs/promises'
import path from 'node:path'
import { LitestreamError } from '../errors.js'
import { syncDirectory } from '../fs/directory.js'
import { isErrno } from '../fs/fs-error.js'
import { syncHandle } from '../fs/handle.js'
import { openForUpdate } from '../fs/open-for-writing.js'
import { removeFile } from '../fs/remove.js'
import { checkGrowth } from '../levels/plan-check.js'
import { decodeLtx } from '../ltx/decoder.js'
import { isPageSize, lockPgno } from '../ltx/format.js'
import type { Connection } from '../sqlite/connection.js'
import { findDriver } from '../sqlite/find-driver.js'
import { sqliteCode } from '../sqlite/sqlite-error.js'
import { writeHotJournal } from './hot-journal.js'
import { PageFile } from './page-file.js'

// Byte offsets of fields in the header of an SQLite database.
const WRITE_VERSION = 18
const CHANGE_COUNTER = 24
const PAGE_COUNT = 28
const VERSION_VALID_FOR = 92
const HEADER_SIZE = 100
/**
 * File format version of databases with a rollback journal. Databases in WAL mode have version 2.
 */
const ROLLBACK_JOURNAL = 1

/**
 * How long an attempt to lock the database waits for readers, in milliseconds. During such an
 * attempt, no new reader can begin. The wait for the lock blocks the thread.
 */
const LOCK_WAIT = 250

/**
 * Sets the header fields of a database that is changed without SQLite. The header must say that the
 * database is in rollback-journal mode. Because of the rollback-journal mode, readers take locks.
 * The change counter must differ for every TXID. When the change counter differs, readers discard
 * their caches. The page count in the header must be valid.
 */
function patchHeader(header: Buffer, txid: number, commit: number): void {
  header[WRITE_VERSION] = ROLLBACK_JOURNAL
  header[WRITE_VERSION + 1] = ROLLBACK_JOURNAL
  header.writeUInt32BE(txid % 2 ** 32, CHANGE_COUNTER)
  header.writeUInt32BE(commit, PAGE_COUNT)
  header.writeUInt32BE(txid % 2 ** 32, VERSION_VALID_FOR)
}

/**
 * A local database that follows a replica. Any program can read the database through SQLite at any
 * time. A FollowerFile applies a change in the same steps as a rollback-journal commit of SQLite. A
 * FollowerFile takes the exclusive lock, writes the journal to disk, writes the pages, syncs the
 * database, and deletes the journal. After a crash at any point, the database has either the new
 * state or the old state. If necessary, the next connection restores the old state from the
 * journal.
 *
 * A process loses its locks on a file when it closes any descriptor of that file. A FollowerFile
 * therefore keeps its descriptor open. A FollowerFile closes the descriptor only while it holds no
 * lock.
 */
export class FollowerFile {
  readonly #path: string
  readonly #handle: FileHandle
  readonly #pageSize: number
  #db: Connection
  #counter: number

  /**
   * Whether Litestream's follower made the database. In a database that Litestream's follower made,
   * the header does not contain the TXID before this object opens the database.
   */
  readonly wasAdopted: boolean

  private constructor(path: string, handle: FileHandle, db: Connection, header: Buffer, wasAdopted: boolean) {
    this.#path = path
    this.wasAdopted = wasAdopted
    this.#handle = handle
    this.#db = db
    this.#pageSize = pageSizeOf(header)
    this.#counter = header.readUInt32BE(CHANGE_COUNTER)
  }

  /**
   * Opens a database that this class or Litestream's own follower made, or that `prepare` has
   * prepared. SQLite rolls back a write that a crash interrupted. `saved` is the content of the
   * -txid file of the database. Throws HYDRATION_CONFLICT for a database that another program wrote
   * to. Throws DATABASE_BUSY if Litestream's follower left the database in WAL mode and another
   * program has the database open.
   */
  static async open(
    file: string,
    saved?: { readonly txid: number; readonly isForeign: boolean },
  ): Promise<FollowerFile> {
    const db = openDatabase(file)
    let handle: FileHandle | undefined
    try {
      handle = await openForUpdate(file)
      let header = await readHeader(handle)
      const isOther = saved !== undefined && (saved.isForeign || isOfOtherFollower(header))
      if (isOther) {
        await adopt(file, db, handle, saved.txid)
        header = await readHeader(handle)
      }
      if (header[WRITE_VERSION] !== ROLLBACK_JOURNAL || !isPageSize(pageSizeOf(header))) throw conflict(file)
      return new FollowerFile(file, handle, db, header, isOther)
    } catch (error) {
      db.close()
      await handle?.close()
      throw error
    }
  }

  /** The low 32 bits of the TXID in the header of the database. */
  get counter(): number {
    return this.#counter
  }

  /**
   * Prepares a restored database for following. The database must not be open in any connection.
   */
  static async prepare(file: string, txid: number): Promise<void> {
    const handle = await openForUpdate(file)
    try {
      const header = await readHeader(handle)
      const { size } = await handle.stat()
      patchHeader(header, txid, size / pageSizeOf(header))
      await handle.write(header, 0, HEADER_SIZE, 0)
      await syncHandle(handle)
    } finally {
      await handle.close()
    }
  }

  /**
   * Applies an LTX file. The LTX file takes effect completely or not at all. Each call of `bytes`
   * returns the content of the LTX file from its beginning. `apply` calls `bytes` twice. Returns
   * false if readers kept the database locked until the lock attempt ended. After false, the caller
   * must try again. Throws HYDRATION_CONFLICT if another program has changed the database. Throws
   * PAGE_SIZE_MISMATCH, LTX_CORRUPT, and errors of the file system. LTX_CORRUPT is also thrown if
   * the LTX file lacks pages that the database needs. If `apply` throws, the database is unchanged.
   */
  async apply(bytes: () => AsyncIterable<Uint8Array>, label: string): Promise<boolean> {
    const { header, index } = await this.#survey(bytes, label)
    if (!this.#lock()) return false
    try {
      const before = await readHeader(this.#handle)
      if (before.readUInt32BE(CHANGE_COUNTER) !== this.#counter || before[WRITE_VERSION] !== ROLLBACK_JOURNAL) {
        throw conflict(this.#path)
      }
      const pageSize = this.#pageSize
      const oldCommit = (await this.#handle.stat()).size / pageSize
      if (before.readUInt32BE(PAGE_COUNT) !== oldCommit) throw conflict(this.#path)
      checkGrowth(header, index, oldCommit, label)
      await writeHotJournal(
        this.#path,
        this.#handle,
        pageSize,
        oldCommit,
        doomedPages(index.pgnos, oldCommit, header.commit, pageSize),
      )
      await this.#write(bytes, label, header.commit)
      const after = await readHeader(this.#handle)
      patchHeader(after, header.maxTxid, header.commit)
      await this.#handle.write(after, 0, HEADER_SIZE, 0)
      await syncHandle(this.#handle)
      // The deletion of the journal commits the change.
      await removeFile(`${this.#path}-journal`)
      await syncDirectory(path.dirname(path.resolve(this.#path)))
      this.#counter = after.readUInt32BE(CHANGE_COUNTER)
      this.#db.exec('COMMIT')
    } catch (error) {
      // Closing the connection releases the exclusive lock. The journal stays on disk. The next
      // connection restores the old pages from the journal.
      this.#db.close()
      throw error
    }
    return true
  }

  async close(): Promise<void> {
    this.#db.close()
    await this.#handle.close()
  }

  /**
   * Reads a whole LTX file once before the file is applied, so that no damaged LTX file is applied
   * in part.
   */
  async #survey(bytes: () => AsyncIterable<Uint8Array>, label: string) {
    const ltx = await decodeLtx(bytes(), label)
    if (ltx.header.pageSize !== this.#pageSize) {
      await ltx.cancel()
      throw new LitestreamError(
        'PAGE_SIZE_MISMATCH',
        `${label} has pages of ${ltx.header.pageSize} bytes, but ${this.#path} has pages of ${this.#pageSize} bytes`,
        {
          file: this.#path,
          hint: 'Restore to a new output file, because a VACUUM on the primary changed the page size of the database.',
        },
      )
    }
    for await (const _batch of ltx.batches);
    return { header: ltx.header, index: ltx.trailer!.index }
  }

  async #write(bytes: () => AsyncIterable<Uint8Array>, label: string, commit: number): Promise<void> {
    const file = new PageFile(this.#handle, this.#path, this.#pageSize)
    const ltx = await decodeLtx(bytes(), label)
    for await (const batch of ltx.batches) await file.write(batch)
    await file.resize(commit)
    await file.sync()
  }

  #lock(): boolean {
    try {
      if (!this.#db.isOpen) this.#db = openDatabase(this.#path)
      this.#db.exec('BEGIN EXCLUSIVE')
      return true
    } catch (error) {
      if (sqliteCode(error)?.startsWith('SQLITE_BUSY')) return false
      throw error
    }
  }
}

/**
 * Whether Litestream's follower has written the header of the database. Litestream's follower sets
 * the change counter to a random number. Litestream's follower does not change the
 * version-valid-for number. In a header written by SQLite, the two numbers are equal.
 */
function isOfOtherFollower(header: Buffer): boolean {
  return header.readUInt32BE(CHANGE_COUNTER) !== header.readUInt32BE(VERSION_VALID_FOR)
}

/**
 * Changes the header of a database that Litestream's follower made. FollowerFile needs the changed
 * header. Litestream restores the database in WAL mode. With the first change, Litestream's
 * follower changes the database to rollback-journal mode. If a crash interrupted a change of
 * Litestream's follower, the next change completes the interrupted change. The next change contains
 * all pages that changed after `txid`.
 */
async function adopt(file: string, db: Connection, handle: FileHandle, txid: number): Promise<void> {
  if (((await stat(`${file}-wal`).catch(ignoreMissing))?.size ?? 0) > 0) throw conflict(file)
  try {
    db.exec('PRAGMA journal_mode = DELETE')
    db.exec('BEGIN EXCLUSIVE')
  } catch (error) {
    if (!sqliteCode(error)?.startsWith('SQLITE_BUSY')) throw error
    throw new LitestreamError('DATABASE_BUSY', `${file} is open in another program`, {
      file,
      cause: error,
      hint: 'Stop the programs that read the database, start `restore -f`, then start the programs again.',
    })
  }
  const header = await readHeader(handle)
  const { size } = await handle.stat()
  patchHeader(header, txid, size / pageSizeOf(header))
  await handle.write(header, 0, HEADER_SIZE, 0)
  await syncHandle(handle)
  db.exec('COMMIT')
}

function ignoreMissing(error: unknown): undefined {
  if (!isErrno(error, 'ENOENT')) throw error
}

function openDatabase(file: string): Connection {
  const db = findDriver().open(file, { busyTimeout: LOCK_WAIT })
  // The first read of a connection rolls back the changes of a journal that a crash has left.
  db.value('SELECT count(*) FROM sqlite_schema')
  return db
}

async function readHeader(handle: FileHandle): Promise<Buffer> {
  const header = Buffer.alloc(HEADER_SIZE)
  await handle.read(header, 0, HEADER_SIZE, 0)
  return header
}

function pageSizeOf(header: Buffer): number {
  const size = header.readUInt16BE(16)
  return size === 1 ? 65536 : size
}

/**
 * Returns the numbers of the pages that the journal must contain. The journal needs page 1, the
 * pages that will be overwritten, and the pages that will be truncated.
 */
function doomedPages(pgnos: Uint32Array, oldCommit: number, newCommit: number, pageSize: number): Uint32Array {
  const lock = lockPgno(pageSize)
  const doomed = new Uint32Array(1 + pgnos.length + Math.max(0, oldCommit - newCommit))
  let count = 0
  if (pgnos[0] !== 1) doomed[count++] = 1
  for (const pgno of pgnos) if (pgno <= oldCommit && pgno <= newCommit) doomed[count++] = pgno
  for (let pgno = newCommit + 1; pgno <= oldCommit; pgno++) if (pgno !== lock) doomed[count++] = pgno
  return doomed.subarray(0, count)
}

function conflict(file: string): LitestreamError {
  return new LitestreamError(
    'HYDRATION_CONFLICT',
    `another program changed ${file} while this file followed a replica`,
    {
      file,
      hint: 'Choose a new output file, or run the restore again with -force. Other programs must open the restored database read-only.',
    },
  )
}
