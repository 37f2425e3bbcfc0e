import type { FileHandle } from 'node:fs/promises'
import { LitestreamError } from '../errors.js'
import { checkGrowth } from '../levels/plan-check.js'
import { databaseChecksum, readDatabaseShape } from '../ltx/database-file.js'
import { decodeLtx } from '../ltx/decoder.js'
import { FLAG_NO_CHECKSUM } from '../ltx/format.js'
import type { LtxHeader } from '../ltx/header.js'
import { formatTxid } from '../ltx/txid.js'
import { PageFile } from '../restore/page-file.js'
import { readFileBytes } from './open-ltx-file.js'

/** Applies LTX files, one after the other, to a database file that no other program uses. */
export class LtxApplier {
  readonly #handle: FileHandle
  readonly #path: string
  readonly #exists: boolean
  #last: LtxHeader | undefined
  #pages: PageFile | undefined
  /** The largest size that the database had during the applied files, in pages. */
  #peak = 0

  /**
   * `path` is used in messages. If `exists` is true, the file already contains a database. The
   * caller must close `handle`.
   */
  constructor(handle: FileHandle, path: string, exists: boolean) {
    this.#handle = handle
    this.#path = path
    this.#exists = exists
  }

  /**
   * Applies one LTX file. Throws INVALID_ARGUMENT if the LTX file does not continue the database,
   * and LTX_CORRUPT if the LTX file is damaged. After an error, the database file is unusable.
   */
  async apply(file: string): Promise<void> {
    const ltx = await decodeLtx(readFileBytes(file), file)
    const { header } = ltx
    const checked = (header.flags & FLAG_NO_CHECKSUM) === 0
    const { pageSize, commit } = header
    const shape = { pageSize, commit }
    try {
      this.#peak = Math.max(this.#peak, await this.#throwUnlessNext(header, file))
      if (checked && header.minTxid > 1) await this.#compare('pre-apply', file, header.preApplyChecksum)
    } catch (error) {
      await ltx.cancel()
      throw error
    }
    this.#pages ??= new PageFile(this.#handle, this.#path, pageSize)
    for await (const batch of ltx.batches) await this.#pages.write(batch)
    // If the LTX file enlarges the database but lacks a new page, checkGrowth throws. The decoder
    // knows the page index only after it has decoded all pages.
    checkGrowth(header, ltx.trailer!.index, header.minTxid === 1 ? 0 : this.#peak, file)
    await this.#pages.resize(commit)
    if (checked) {
      const sum = await databaseChecksum(this.#handle, this.#path, shape)
      if (sum !== ltx.trailer!.postApplyChecksum)
        throw mismatch('post-apply', file, sum, ltx.trailer!.postApplyChecksum)
    }
    this.#last = header
  }

  async sync(): Promise<void> {
    await this.#pages!.sync()
  }

  /**
   * Returns the fields that describe the new state in the JSON output. The caller must have applied
   * at least one file.
   */
  state(): { readonly page_size: number; readonly pages: number; readonly max_txid: string } {
    const { pageSize, commit, maxTxid } = this.#last!
    return { page_size: pageSize, pages: commit, max_txid: formatTxid(maxTxid) }
  }

  /**
   * Returns the size of the database in pages before `file` is applied. Throws INVALID_ARGUMENT if
   * `file` does not continue the database.
   */
  async #throwUnlessNext(header: LtxHeader, file: string): Promise<number> {
    const refuse = (why: string, hint: string) =>
      new LitestreamError('INVALID_ARGUMENT', `cannot apply ${file}: ${why}`, { file, hint })
    const { pageSize, minTxid } = header
    const last = this.#last
    if (!last && !this.#exists && minTxid > 1) {
      throw refuse(
        `the file begins at TXID ${formatTxid(minTxid)}, but the database does not exist`,
        'Name a snapshot first, which is an LTX file that begins at TXID 1.',
      )
    }
    if (last && minTxid > last.maxTxid + 1) {
      throw refuse(
        `the file begins at TXID ${formatTxid(minTxid)}, but the file before it ends at TXID ${formatTxid(last.maxTxid)}`,
        'Name the LTX files in the order of their TXIDs, without gaps.',
      )
    }
    if (last && header.maxTxid <= last.maxTxid) {
      throw refuse(
        `the file ends at TXID ${formatTxid(header.maxTxid)}, but the file before it ends at TXID ${formatTxid(last.maxTxid)}`,
        'Name the LTX files in the order of their TXIDs, and leave out a file if another file contains its TXIDs.',
      )
    }
    const present = last ?? (this.#exists ? await readDatabaseShape(this.#handle, this.#path) : undefined)
    if (present && present.pageSize !== pageSize) {
      throw refuse(
        `the file has pages of ${pageSize} bytes, but the database has pages of ${present.pageSize} bytes`,
        'Name LTX files of this database, or name another database with -db.',
      )
    }
    return present?.commit ?? 0
  }

  async #compare(which: string, file: string, stored: bigint): Promise<void> {
    const shape = await readDatabaseShape(this.#handle, this.#path)
    const sum = await databaseChecksum(this.#handle, this.#path, shape)
    if (sum !== stored) throw mismatch(which, file, sum, stored)
  }
}

function mismatch(which: string, file: string, sum: bigint, stored: bigint): LitestreamError {
  const [own, theirs] = [sum.toString(16), stored.toString(16)]
  return new LitestreamError(
    'INVALID_ARGUMENT',
    `cannot apply ${file}: the ${which} checksum of the file is ${theirs}, but the checksum of the database is ${own}`,
    {
      file,
      hint: 'Give LTX files whose TXIDs directly follow the TXID of the database. `litestream-ts ltx info` shows the TXIDs of a file.',
    },
  )
}
