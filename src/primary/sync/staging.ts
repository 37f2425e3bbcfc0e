import { readdirSync, statSync } from 'node:fs'
import path from 'node:path'
import { LitestreamError } from '../../errors.js'
import { makeDirectory } from '../../fs/directory.js'
import { writeDurably } from '../../fs/durable.js'
import { fsError, isErrno } from '../../fs/fs-error.js'
import { ownershipLike } from '../../fs/owner.js'
import { removeFileSync } from '../../fs/remove.js'
import { formatFileName, parseFileName } from '../../ltx/file-name.js'
import { databaseMissing } from '../source/database-handle.js'
import { type FileIdentity, identifyFile, isSameFile } from '../source/file-identity.js'

/** A staged file of level 0: `min` and `max` TXID are the same. */
export interface StagedFile {
  readonly txid: number
  /** Bytes. */
  readonly size: number
}

/** A file in the making: one of ours, or of the official program in the same folder. */
const TEMPORARY = /^[0-9a-f]{16}-[0-9a-f]{16}\.ltx(?:\.[0-9a-f]{16})?\.tmp$/

export function isTemporary(name: string): boolean {
  return TEMPORARY.test(name)
}

/** The folder `.<database>-litestream` beside a database, or where `metaPath` says. */
export function metaDirectory(database: string, metaPath?: string): string {
  return metaPath ?? path.join(path.dirname(database), `.${path.basename(database)}-litestream`)
}

/**
 * The files of level 0 that the primary has made, on local disk until they are in the replica: `<meta>/ltx/0`. A file appears under
 * its name whole and durable, or not at all. Owner and mode follow the database's. What counts is what this process found when it
 * opened the folder, and what it wrote since: a folder that takes the place of that one is not believed.
 */
export class LtxStaging {
  readonly directory: string
  readonly #database: string
  #folder: FileIdentity | undefined
  /** Sizes by TXID, ascending. */
  readonly #files = new Map<number, number>()

  private constructor(database: string, directory: string) {
    this.#database = database
    this.directory = directory
  }

  /** Creates the folders and removes what a crash left half written. Throws ACCESS_DENIED, DISK_FULL. */
  static async open(database: string, meta: string): Promise<LtxStaging> {
    const staging = new LtxStaging(database, path.join(meta, 'ltx', '0'))
    await staging.#prepare()
    for (const { txid, size } of staging.#read()) staging.#files.set(txid, size)
    return staging
  }

  async #prepare(): Promise<void> {
    try {
      await makeDirectory(this.directory, await ownershipLike(this.#database))
      this.#removeTemporary()
      this.#folder = identifyFile(this.directory)
    } catch (error) {
      throw stateFolderError(error, this.directory, 'preparing the folder')
    }
  }

  /**
   * The folder is checked by one call of stat. If it is gone, or another one, it is made again, empty. Returns what had happened. Throws
   * NOT_FOUND if the folder of the database is gone.
   */
  async makeAgainIfGone(): Promise<string | undefined> {
    let now: FileIdentity | undefined
    let home: FileIdentity | undefined
    try {
      now = identifyFile(this.directory)
      home = now ?? identifyFile(path.dirname(this.#database))
    } catch (error) {
      throw stateFolderError(error, this.directory, 'checking the folder')
    }
    if (now && this.#folder && isSameFile(now, this.#folder)) return undefined
    // The database went together with its folder, which must not appear to be back.
    if (!home) throw databaseMissing(this.#database)
    await this.#prepare()
    this.#files.clear()
    return now ? 'another folder has its path' : 'it was removed'
  }

  /** Files that are known and still exist, ascending by TXID. */
  list(): StagedFile[] {
    return this.#read().filter(({ txid, size }) => this.#files.get(txid) === size)
  }

  #read(): StagedFile[] {
    try {
      return namesOf(this.directory)
        .map((name) => ({ name, range: parseFileName(name) }))
        .filter(({ range }) => range !== undefined && range.minTxid === range.maxTxid)
        .map(({ name, range }) => ({ txid: range!.minTxid, size: sizeOf(path.join(this.directory, name)) }))
        .sort((a, b) => a.txid - b.txid)
    } catch (error) {
      throw stateFolderError(error, this.directory, 'reading the folder')
    }
  }

  pathOf(txid: number): string {
    return path.join(this.directory, formatFileName(txid, txid))
  }

  /** The path of a file that is known and still exists as it was; undefined otherwise. */
  find(txid: number): string | undefined {
    const file = this.pathOf(txid)
    const size = this.#files.get(txid)
    return size !== undefined && statSync(file, { throwIfNoEntry: false })?.size === size ? file : undefined
  }

  remove(txid: number): void {
    this.#files.delete(txid)
    try {
      removeFileSync(this.pathOf(txid))
    } catch (error) {
      throw stateFolderError(error, this.pathOf(txid), 'removing it')
    }
  }

  #removeTemporary(): void {
    for (const name of namesOf(this.directory)) {
      if (isTemporary(name)) removeFileSync(path.join(this.directory, name))
    }
  }

  /**
   * Writes the file of `txid` from its pieces, each valid until the next is asked for, and gives it the time `timestamp` (milliseconds
   * since the epoch). Throws DISK_FULL, and leaves nothing behind, if it does not fit.
   */
  async write(txid: number, pieces: AsyncIterable<Uint8Array>, timestamp: number): Promise<StagedFile> {
    const file = this.pathOf(txid)
    try {
      const ownership = await ownershipLike(this.#database)
      const size = await writeDurably(file, pieces, { mtime: timestamp, ...(ownership ? { ownership } : {}) })
      this.#files.set(txid, size)
      return { txid, size }
    } catch (error) {
      throw stateFolderError(error, file, 'writing it')
    }
  }
}

/** None for a folder that was removed: it is made again before the next file is written. */
function namesOf(directory: string): string[] {
  try {
    return readdirSync(directory)
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return []
    throw error
  }
}

function sizeOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? -1
}

/** An error of the state folder as one of ours; never NOT_FOUND, which says that there is no database. */
export function stateFolderError(error: unknown, file: string, doing: string): LitestreamError {
  const ours = fsError(error, doing, file)
  if (ours.code !== 'NOT_FOUND') return ours
  const hint =
    'Find the program that removed the state folder. The primary creates the folder again on the next attempt.'
  return new LitestreamError('STORAGE_FAILED', ours.message, { file, hint, cause: error })
}
