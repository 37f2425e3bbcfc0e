import type { FileHandle } from 'node:fs/promises'
import { LitestreamError } from '../errors.js'
import { native } from '../native/addon.js'
import { CHECKSUM_FLAG, isCommit, isPageSize, lockPgno } from './format.js'

/** Number of bytes of pages in one batch. */
const BATCH_SIZE = 1024 * 1024

/** Size in bytes of the database header, which comes before the b-tree on page 1. */
const HEADER_LENGTH = 100

const MAGIC = 'SQLite format 3\0'

/** Page size in bytes and number of pages of a database file. */
export interface DatabaseShape {
  readonly pageSize: number
  readonly commit: number
}

/** Pages of a database file, as LtxEncoder.pages takes them. */
export interface DatabasePages {
  readonly pgnos: Uint32Array
  readonly pages: Uint8Array
}

/**
 * Reads the page size of a database file from its header (https://www.sqlite.org/fileformat.html,
 * "The Database Header"). Computes the number of pages from the size of the file, because the
 * number in the header may be out of date. Throws INVALID_ARGUMENT if the file is not a database.
 */
export async function readDatabaseShape(handle: FileHandle, file: string): Promise<DatabaseShape> {
  const header = Buffer.alloc(HEADER_LENGTH)
  const { bytesRead } = await handle.read(header, 0, HEADER_LENGTH, 0)
  const raw = header.readUInt16BE(16)
  const pageSize = raw === 1 ? 65536 : raw
  if (bytesRead < HEADER_LENGTH || header.toString('latin1', 0, MAGIC.length) !== MAGIC || !isPageSize(pageSize)) {
    throw notDatabase(file, 'the file has no SQLite header')
  }
  const { size } = await handle.stat()
  const commit = size / pageSize
  if (!isCommit(commit))
    throw notDatabase(file, `the size of ${size} bytes is not a valid number of ${pageSize}-byte pages`)
  return { pageSize, commit }
}

/**
 * Yields the pages of a database file in ascending order, without the lock page. Each yielded batch
 * has new buffers. Throws INVALID_ARGUMENT if the file ends early.
 */
export async function* readDatabasePages(
  handle: FileHandle,
  file: string,
  { pageSize, commit }: DatabaseShape,
): AsyncGenerator<DatabasePages, void, undefined> {
  const lock = lockPgno(pageSize)
  const most = Math.max(1, Math.floor(BATCH_SIZE / pageSize))
  for (let first = 1; first <= commit; ) {
    const end = Math.min(first <= lock && lock < first + most ? lock : first + most, commit + 1)
    const pgnos = Uint32Array.from({ length: end - first }, (_, i) => first + i)
    const pages = new Uint8Array(pgnos.length * pageSize)
    for (let at = 0; at < pages.length; ) {
      const { bytesRead } = await handle.read(pages, at, pages.length - at, (first - 1) * pageSize + at)
      if (bytesRead === 0) throw notDatabase(file, 'the file became shorter during the read')
      at += bytesRead
    }
    if (pgnos.length > 0) yield { pgnos, pages }
    first = end === lock ? lock + 1 : end
  }
}

/** Computes the database checksum of the LTX format over all pages except the lock page. */
export async function databaseChecksum(handle: FileHandle, file: string, shape: DatabaseShape): Promise<bigint> {
  let sum = 0n
  for await (const { pgnos, pages } of readDatabasePages(handle, file, shape)) {
    sum ^= native.sumPages(shape.pageSize, pgnos, pages)
  }
  return sum | CHECKSUM_FLAG
}

function notDatabase(file: string, why: string): LitestreamError {
  return new LitestreamError('INVALID_ARGUMENT', `${file} is not a database file: ${why}`, {
    file,
    hint: 'Give the path of the main file of an SQLite database, not of its -wal or -journal file.',
  })
}
