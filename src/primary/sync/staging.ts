import { readdirSync, statSync } from 'node:fs'
import path from 'node:path'
import { makeDirectory } from '../../fs/directory.js'
import { writeDurably } from '../../fs/durable.js'
import { ownershipLike } from '../../fs/owner.js'
import { removeFileSync } from '../../fs/remove.js'
import { formatFileName, parseFileName } from '../../ltx/file-name.js'
import { databaseError } from '../source/database-error.js'

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
 * its name whole and durable, or not at all. Owner and mode follow the database's.
 */
export class LtxStaging {
  readonly directory: string
  readonly #database: string

  private constructor(database: string, directory: string) {
    this.#database = database
    this.directory = directory
  }

  /** Creates the folders and removes what a crash left half written. Throws ACCESS_DENIED, DISK_FULL. */
  static async open(database: string, meta: string): Promise<LtxStaging> {
    const directory = path.join(meta, 'ltx', '0')
    try {
      await makeDirectory(directory, await ownershipLike(database))
      const staging = new LtxStaging(database, directory)
      staging.removeTemporary()
      return staging
    } catch (error) {
      throw databaseError(error, directory, 'preparing the folder')
    }
  }

  /** Ascending by TXID. */
  list(): StagedFile[] {
    return readdirSync(this.directory)
      .map((name) => ({ name, range: parseFileName(name) }))
      .filter(({ range }) => range !== undefined && range.minTxid === range.maxTxid)
      .map(({ name, range }) => ({ txid: range!.minTxid, size: statSync(path.join(this.directory, name)).size }))
      .sort((a, b) => a.txid - b.txid)
  }

  pathOf(txid: number): string {
    return path.join(this.directory, formatFileName(txid, txid))
  }

  remove(txid: number): void {
    removeFileSync(this.pathOf(txid))
  }

  removeTemporary(): void {
    for (const name of readdirSync(this.directory)) {
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
      return { txid, size }
    } catch (error) {
      throw databaseError(error, file, 'writing it')
    }
  }
}
