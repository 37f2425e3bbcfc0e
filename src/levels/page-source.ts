import { openRegular } from '../fs/open-regular.js'
import { corrupt } from '../ltx/corrupt.js'
import { isCommit } from '../ltx/format.js'
import { frameFault } from '../ltx/frame-fault.js'
import { native } from '../native/addon.js'
import { resolveRange } from '../storage/range.js'
import type { LtxFileInfo, RequestOptions } from '../storage/replica-client.js'
import { lowerBound } from '../util/sorted.js'
import type { FileReader } from './remote-index.js'
import { type FileLayout, readLayout } from './remote-layout.js'

/** Reads single pages of a database from LTX files. */
export interface PageSource {
  /** Page size in bytes. */
  readonly pageSize: number
  /** Size of the database in pages. */
  readonly commit: number
  /** Timestamp of the newest file, in milliseconds since the epoch. */
  readonly timestamp: number
  /** Returns the content of a page. Returns zeros for a page that no file contains. */
  read(pgno: number): Promise<Buffer>
}

/**
 * Reads single pages of the database that a restore plan describes. Reads the page index of the
 * newest file first, and reads page indexes of older files only if a requested page needs them. Use
 * PlannedPages to read some pages, but not to read all pages of a database. Throws LTX_CORRUPT, and
 * errors of the client.
 */
export class PlannedPages implements PageSource {
  readonly pageSize: number
  readonly commit: number
  readonly timestamp: number
  readonly #client: FileReader
  readonly #options: RequestOptions
  /** Files whose page index was not read yet, oldest first. */
  readonly #rest: LtxFileInfo[]
  /**
   * The page indexes that were read, newest first. A newer file has truncated the pages with
   * numbers above `limit`.
   */
  readonly #layouts: { readonly layout: FileLayout; readonly limit: number }[] = []

  private constructor(client: FileReader, plan: readonly LtxFileInfo[], newest: FileLayout, options: RequestOptions) {
    this.#client = client
    this.#options = options
    this.#rest = plan.slice(0, -1)
    const { pageSize, commit, timestamp } = newest.header
    this.pageSize = pageSize
    this.commit = commit
    this.timestamp = timestamp
    this.#layouts.push({ layout: newest, limit: commit })
  }

  /** Opens the newest file of `plan`. `plan` must contain at least one file. */
  static async open(
    client: FileReader,
    plan: readonly LtxFileInfo[],
    options: RequestOptions = {},
  ): Promise<PlannedPages> {
    return new PlannedPages(client, plan, await readLayout(client, plan.at(-1)!, options), options)
  }

  /** Whether the newest file alone contains every page of the database. */
  get isWhole(): boolean {
    return this.#layouts[0]!.layout.denseFrom === 0
  }

  async read(pgno: number): Promise<Buffer> {
    for (let place = 0; ; place++) {
      const known = this.#layouts[place] ?? (await this.#next())
      if (!known || pgno > known.limit) return Buffer.alloc(this.pageSize)
      const at = placeOf(known.layout.index.pgnos, pgno)
      if (at >= 0) return this.#frame(known.layout, at)
    }
  }

  async #next() {
    const file = this.#rest.pop()
    if (!file) return undefined
    const layout = await readLayout(this.#client, file, this.#options)
    // A file with another page size was written before a VACUUM changed the page size.
    if (layout.header.pageSize !== this.pageSize) {
      this.#rest.length = 0
      return undefined
    }
    const known = { layout, limit: Math.min(layout.header.commit, this.#layouts.at(-1)!.limit) }
    this.#layouts.push(known)
    return known
  }

  async #frame({ file, label, index, bytes }: FileLayout, at: number): Promise<Buffer> {
    const listed = { pgno: index.pgnos[at]!, offset: index.offsets[at]!, size: index.sizes[at]! }
    const { offset, size } = listed
    const frame =
      bytes?.subarray(offset, offset + size) ??
      (await this.#client.read(file, { offset, length: size }, this.#options)).data
    const page = Buffer.alloc(this.pageSize)
    const pgnos = new Uint32Array(1)
    const state = new BigUint64Array(2)
    const result = new Float64Array(2)
    native.decodeFrames(state, this.pageSize, frame, pgnos, new Uint32Array(1), page, false, result)
    if (result[0] !== 1 || pgnos[0] !== listed.pgno) throw frameFault(frame, listed, label)
    return page
  }
}

/** Returns the index of `pgno` in a list of ascending page numbers, or -1 if `pgno` is missing. */
function placeOf(pgnos: Uint32Array, pgno: number): number {
  const at = lowerBound(pgnos, pgno)
  return pgnos[at] === pgno ? at : -1
}

/** Opens one LTX file on local disk for reading single pages. Throws LTX_CORRUPT. */
export function openLocalPages(path: string, file: LtxFileInfo): Promise<PlannedPages> {
  return PlannedPages.open(
    {
      url: path,
      async read(_file, range) {
        const { handle, stats } = await openRegular(path)
        try {
          const { offset, length } = resolveRange(range, stats.size, path)
          const data = new Uint8Array(length)
          const { bytesRead } = await handle.read(data, 0, length, offset)
          if (bytesRead < length) throw corrupt('the file became shorter during the read', path, offset + bytesRead)
          return { data, offset, fileSize: stats.size }
        } finally {
          await handle.close()
        }
      },
    },
    [file],
  )
}

/** Yields all pages of a database in ascending order. */
export async function* pagesInOrder(source: PageSource): AsyncGenerator<Uint8Array, void, undefined> {
  if (!isCommit(source.commit)) return
  for (let pgno = 1; pgno <= source.commit; pgno++) yield await source.read(pgno)
}
