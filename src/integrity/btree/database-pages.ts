import { closeSync, fstatSync, readSync } from 'node:fs'
import { openRegularSync } from '../../fs/open-regular-sync.js'
import { isPageSize, lockPgno } from '../../ltx/format.js'

const MAGIC = 'SQLite format 3\0'
const HEADER_SIZE = 100

/** Reads single pages of a database file with synchronous calls. */
export class DatabasePages {
  readonly header: Buffer
  /** Page size in bytes. */
  readonly pageSize: number
  /**
   * Page size in bytes, minus the bytes at the end of each page that are reserved for SQLite
   * extensions.
   */
  readonly usable: number
  readonly count: number
  readonly lockPage: number
  readonly #fd: number

  private constructor(fd: number, header: Buffer, pageSize: number, count: number) {
    this.#fd = fd
    this.header = header
    this.pageSize = pageSize
    this.usable = pageSize - header[20]!
    this.count = count
    this.lockPage = lockPgno(pageSize)
  }

  /**
   * Opens a database file. Returns a fault as text if the file cannot be a database. Returns
   * undefined for an empty file.
   */
  static open(path: string): DatabasePages | string | undefined {
    const fd = openRegularSync(path)
    const { size } = fstatSync(fd)
    const header = Buffer.alloc(HEADER_SIZE)
    readSync(fd, header, 0, HEADER_SIZE, 0)
    const stored = header.readUInt16BE(16)
    const pageSize = stored === 1 ? 65536 : stored
    const fault =
      header.toString('latin1', 0, 16) !== MAGIC || !isPageSize(pageSize)
        ? 'the file has no database header'
        : size % pageSize !== 0
          ? `${size} bytes are not a multiple of the page size ${pageSize}`
          : pageSize - header[20]! < 480
            ? `${header[20]} reserved bytes per page are too many`
            : undefined
    if (size > 0 && fault === undefined) return new DatabasePages(fd, header, pageSize, size / pageSize)
    closeSync(fd)
    return size === 0 ? undefined : fault
  }

  read(pgno: number, into = Buffer.allocUnsafe(this.pageSize)): Buffer {
    for (let at = 0; at < this.pageSize; ) {
      const got = readSync(this.#fd, into, at, this.pageSize - at, (pgno - 1) * this.pageSize + at)
      if (got === 0) throw new RangeError(`page ${pgno} is beyond the end of the file`)
      at += got
    }
    return into
  }

  close(): void {
    closeSync(this.#fd)
  }
}
