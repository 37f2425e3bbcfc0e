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

/** Single pages of a database that LTX files hold. */
export interface PageSource {
  /** Bytes. */
  readonly pageSize: number
  /** Pages of the database. */
  readonly commit: number
  /** Of the newest file, milliseconds since the epoch. */
  readonly timestamp: number
  /** Zeros for a page that no file has. */
  read(pgno: number): Promise<Buffer>
}

/**
 * The database that a plan describes, read page by page. Page indexes are read from the newest file
 * backwards, only as far as the requested pages need: for some pages of a database, not for all of
 * them. Throws LTX_CORRUPT, and errors of the client.
 */
export class PlannedPages implements PageSource {
  readonly pageSize: number
  readonly commit: number
  readonly timestamp: number
  readonly #client: FileReader
  readonly #options: RequestOptions
  /** Files whose layout was not read yet, oldest first. */
  readonly #rest: LtxFileInfo[]
  /** Newest first, with the largest page number that still counts in each. */
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

  /** `plan`: at least one file. */
  static async open(
    client: FileReader,
    plan: readonly LtxFileInfo[],
    options: RequestOptions = {},
  ): Promise<PlannedPages> {
    return new PlannedPages(client, plan, await readLayout(client, plan.at(-1)!, options), options)
  }

  /** Whether the newest file alone holds every page. */
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
    // Files of another page size end where the database got this one.
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

/** The index of `pgno` among ascending page numbers; -1 if it is missing. */
function placeOf(pgnos: Uint32Array, pgno: number): number {
  const at = lowerBound(pgnos, pgno)
  return pgnos[at] === pgno ? at : -1
}

/** The pages of one LTX file on the local disk. Throws LTX_CORRUPT. */
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
          if (bytesRead < length) throw corrupt('the file became shorter while it was read', path, offset + bytesRead)
          return { data, offset, fileSize: stats.size }
        } finally {
          await handle.close()
        }
      },
    },
    [file],
  )
}

/** Pages `from` to `to` of a database of LTX files, one after another; for a copy of it. */
export async function* pagesInOrder(source: PageSource): AsyncGenerator<Uint8Array, void, undefined> {
  if (!isCommit(source.commit)) return
  for (let pgno = 1; pgno <= source.commit; pgno++) yield await source.read(pgno)
}
