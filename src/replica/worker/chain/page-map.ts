import type { PagedIndex } from '../../../levels/paged-index.js'
import { lockPgno } from '../../../ltx/format.js'
import { CHUNK_PAGES, type FramePlace, NO_FILE, NOWHERE, type PageChunk } from './map-chunk.js'

export type { FramePlace } from './map-chunk.js'

/** A large snapshot whose page index is not in memory. */
export interface MapBase {
  /** Ordinal of the snapshot in the file table. */
  readonly file: number
  readonly index: PagedIndex
  readonly pageSize: number
  /** The page map uses the pages of the snapshot with numbers up to `last`. */
  readonly last: number
}

/**
 * For each page of the database at one TXID, the file that holds the page, and the position of the
 * page's frame in the file. A page map is immutable. The page map of a later TXID shares the
 * unchanged chunks. PageMapBuilder creates page maps.
 *
 * If the page index of the snapshot is not in memory, the page map has a base. The pages that no
 * chunk has are then in the base, because a snapshot has all pages. The file of each page is always
 * known. The position of a page of the base is known while its page index entry is in memory.
 */
export class PageMap {
  readonly commit: number
  readonly base: MapBase | undefined
  readonly #chunks: readonly (PageChunk | undefined)[]

  /**
   * @internal Only PageMapBuilder calls the constructor. The caller must not change `chunks` after
   * the call of the constructor.
   */
  constructor(commit: number, chunks: readonly (PageChunk | undefined)[], base?: MapBase) {
    this.commit = commit
    this.base = base
    this.#chunks = chunks
  }

  find(pgno: number): FramePlace {
    const file = this.fileOf(pgno)
    if (file === 0) return NOWHERE
    const chunk = this.#chunks[Math.floor((pgno - 1) / CHUNK_PAGES)]
    const i = (pgno - 1) % CHUNK_PAGES
    if (chunk && chunk.fileAt(i) !== 0) return chunk.get(i)
    const { offset = 0, size = 0 } = this.base?.index.find(pgno) ?? {}
    return { file, offset, size }
  }

  /**
   * Returns the same as `find`, but estimates the position of the frame if its page index entry is
   * not in memory.
   */
  approximate(pgno: number): FramePlace {
    const place = this.find(pgno)
    if (place.size > 0 || place.file !== this.base?.file) return place
    return { file: place.file, ...this.base.index.estimate(pgno) }
  }

  /** Returns the approximate number of page index blocks that must be read to find these pages. */
  unreadBlocks(pgnos: readonly number[]): number {
    const { base } = this
    return base ? base.index.unreadBlocks(pgnos.filter((pgno) => this.fileOf(pgno) === base.file)) : 0
  }

  /**
   * Returns the ordinal of the file that has a page, or 0 if no file has the page. `fileOf` is
   * cheaper than `find`.
   */
  fileOf(pgno: number): number {
    if (pgno < 1 || pgno > this.commit) return 0
    const file = this.#chunks[Math.floor((pgno - 1) / CHUNK_PAGES)]?.fileAt((pgno - 1) % CHUNK_PAGES) ?? 0
    return file === 0 ? baseFile(this.base, pgno) : file === NO_FILE ? 0 : file
  }

  /** Adds the ordinals of all files that have pages of this page map to `into`. */
  collectFiles(into: Set<number>): void {
    if (this.base) into.add(this.base.file)
    for (const chunk of this.#chunks) if (chunk) for (const file of chunk.ordinals()) into.add(file)
  }

  /** Size of the chunks of this page map in bytes. Shared chunks are included. */
  get byteLength(): number {
    return this.#chunks.reduce((bytes, chunk) => bytes + (chunk?.byteLength ?? 0), 0)
  }

  /** Number of chunks in this page map, including empty chunks. */
  get length(): number {
    return Math.max(this.#chunks.length, Math.ceil((this.base?.last ?? 0) / CHUNK_PAGES))
  }

  /** Whether the chunk with the number `at` has no page that any file contains. */
  isEmpty(at: number): boolean {
    return this.#chunks[at] === undefined && CHUNK_PAGES * at >= (this.base?.last ?? 0)
  }

  /**
   * Returns the chunk whose first page is `CHUNK_PAGES * at + 1`, or undefined if only the base can
   * have pages of this chunk.
   */
  chunk(at: number): PageChunk | undefined {
    return this.#chunks[at]
  }
}

/** Returns the ordinal of the base if the base has the page, or 0. */
export function baseFile(base: MapBase | undefined, pgno: number): number {
  return base && pgno <= base.last && pgno !== lockPgno(base.pageSize) ? base.file : 0
}
