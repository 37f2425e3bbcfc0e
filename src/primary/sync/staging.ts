import { readdirSync, statSync } from 'node:fs'
import path from 'node:path'
import { LitestreamError } from '../../errors.js'
import { makeDirectory, makeOwnDirectory } from '../../fs/directory.js'
import { writeDurably } from '../../fs/durable.js'
import { fsError, isErrno } from '../../fs/fs-error.js'
import { ownershipLikeSync } from '../../fs/owner.js'
import { removeFileSync } from '../../fs/remove.js'
import { writeOwnDurably } from '../../fs/write-own.js'
import { formatFileName, parseFileName } from '../../ltx/file-name.js'
import { databaseMissing } from '../source/database-handle.js'
import { type FileIdentity, identifyFile, isSameFile } from '../source/file-identity.js'

/** A staged L0 file with one TXID. */
export interface StagedFile {
  readonly txid: number
  /** Size of the file in bytes. */
  readonly size: number
}

/**
 * Matches the names of incomplete files that this program or official Litestream left in the state
 * folder.
 */
const TEMPORARY = /^[0-9a-f]{16}-[0-9a-f]{16}\.ltx(?:\.[0-9a-f]{16})?\.tmp$/

export function isTemporary(name: string): boolean {
  return TEMPORARY.test(name)
}

/**
 * Returns the path of the state folder. The path is `metaPath`, or by default
 * `.<database>-litestream` in the folder of the database.
 */
export function metaDirectory(database: string, metaPath?: string): string {
  return metaPath ?? path.join(path.dirname(database), `.${path.basename(database)}-litestream`)
}

/**
 * The staged L0 files in the folder `<meta>/ltx/0` on local disk. A staged file gets its name when
 * it is complete and durable. Each staged file has the owner and the mode of the database file.
 * LtxStaging trusts only files that were in the folder when it opened the folder, and files that it
 * wrote later. If a program replaces the folder, LtxStaging does not trust the files in the new
 * folder.
 */
export class LtxStaging {
  readonly directory: string
  readonly #database: string
  #folder: FileIdentity | undefined
  /** Sizes of the staged files in bytes, by TXID in ascending order. */
  readonly #files = new Map<number, number>()

  private constructor(database: string, directory: string) {
    this.#database = database
    this.directory = directory
  }

  /**
   * Creates the folders, and deletes incomplete files from before a crash. Throws ACCESS_DENIED,
   * DISK_FULL.
   */
  static async open(database: string, meta: string): Promise<LtxStaging> {
    const staging = new LtxStaging(database, path.join(meta, 'ltx', '0'))
    await staging.#prepare()
    for (const { txid, size } of staging.#read()) staging.#files.set(txid, size)
    return staging
  }

  async #prepare(): Promise<void> {
    try {
      const ownership = ownershipLikeSync(this.#database)
      if (ownership) await makeOwnDirectory(this.directory, ownership)
      else await makeDirectory(this.directory)
      this.#removeTemporary()
      this.#folder = identifyFile(this.directory)
    } catch (error) {
      throw stateFolderError(error, this.directory, 'preparing the folder')
    }
  }

  /**
   * If the folder for staged files was removed or replaced, creates an empty folder and returns the
   * reason as text. Calls stat once. Throws NOT_FOUND if the folder of the database does not exist.
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
    // The database was removed together with its folder. LtxStaging must not create the folder of
    // the database again.
    if (!home) throw databaseMissing(this.#database)
    await this.#prepare()
    this.#files.clear()
    return now ? 'another folder has the path of the state folder' : 'the state folder was removed'
  }

  /** Returns the trusted staged files that still exist, in ascending order of TXID. */
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

  /** Returns the path of a trusted staged file that still exists unchanged, or undefined. */
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
      throw stateFolderError(error, this.pathOf(txid), 'removing the staged file')
    }
  }

  #removeTemporary(): void {
    for (const name of namesOf(this.directory)) {
      if (isTemporary(name)) removeFileSync(path.join(this.directory, name))
    }
  }

  /**
   * Writes the staged file of `txid` from pieces, and sets its modification time to `timestamp`
   * (milliseconds since the epoch). Each piece must be valid until `write` requests the next piece.
   * If the disk is full, `write` throws DISK_FULL and deletes the incomplete file.
   */
  async write(txid: number, pieces: AsyncIterable<Uint8Array>, timestamp: number): Promise<StagedFile> {
    const file = this.pathOf(txid)
    try {
      const ownership = ownershipLikeSync(this.#database)
      const size = ownership
        ? await writeOwnDurably(file, pieces, { mtime: timestamp, ownership })
        : await writeDurably(file, pieces, { mtime: timestamp })
      this.#files.set(txid, size)
      return { txid, size }
    } catch (error) {
      throw stateFolderError(error, file, 'writing the staged file')
    }
  }
}

/**
 * Returns the names of the files in the folder. If the folder was removed, returns an empty list,
 * because LtxStaging creates the folder again before it writes the next file.
 */
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

/**
 * Converts an error of the state folder to a LitestreamError. The LitestreamError never has the
 * code NOT_FOUND, because NOT_FOUND means that the database does not exist.
 */
export function stateFolderError(error: unknown, file: string, doing: string): LitestreamError {
  const ours = fsError(error, doing, file)
  if (ours.code !== 'NOT_FOUND') return ours
  const hint =
    'Find the program that removed the state folder. The primary creates the folder again on the next attempt.'
  return new LitestreamError('STORAGE_FAILED', ours.message, { file, hint, cause: error })
}
