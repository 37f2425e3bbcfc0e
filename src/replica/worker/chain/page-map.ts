import { CHUNK_PAGES, type Chunk, type FramePlace, NOWHERE } from './map-chunk.js'

export type { FramePlace } from './map-chunk.js'

/**
 * For each page of the database at one TXID, the file that holds the page, and the position of the
 * page's frame in the file. A page map is immutable. The page map of a later TXID shares the
 * unchanged chunks. PageMapBuilder creates page maps.
 */
export class PageMap {
  readonly commit: number
  readonly #chunks: readonly (Chunk | undefined)[]

  /**
   * @internal Only PageMapBuilder calls the constructor. The caller must not change `chunks` after
   * the call of the constructor.
   */
  constructor(commit: number, chunks: readonly (Chunk | undefined)[]) {
    this.commit = commit
    this.#chunks = chunks
  }

  find(pgno: number): FramePlace {
    if (pgno < 1 || pgno > this.commit) return NOWHERE
    return this.#chunks[Math.floor((pgno - 1) / CHUNK_PAGES)]?.get((pgno - 1) % CHUNK_PAGES) ?? NOWHERE
  }

  /**
   * Returns the ordinal of the file that has a page, or 0 if no file has the page. `fileOf` is
   * cheaper than `find`.
   */
  fileOf(pgno: number): number {
    if (pgno < 1 || pgno > this.commit) return 0
    return this.#chunks[Math.floor((pgno - 1) / CHUNK_PAGES)]?.files[(pgno - 1) % CHUNK_PAGES] ?? 0
  }

  /** Adds the ordinals of all files that have pages of this page map to `into`. */
  collectFiles(into: Set<number>): void {
    for (const chunk of this.#chunks) if (chunk) for (const file of chunk.ordinals()) into.add(file)
  }

  /** Size of the chunks of this page map in bytes. Shared chunks are included. */
  get byteLength(): number {
    return this.#chunks.reduce((bytes, chunk) => bytes + (chunk?.buffer.byteLength ?? 0), 0)
  }

  /** Number of chunks in this page map, including empty chunks. */
  get length(): number {
    return this.#chunks.length
  }

  /**
   * Returns the chunk whose first page is `CHUNK_PAGES * at + 1`, or undefined if no file has a
   * page of this chunk.
   */
  chunk(at: number): Chunk | undefined {
    return this.#chunks[at]
  }
}
