import { CHUNK_PAGES, type Chunk, type FramePlace, NOWHERE } from './map-chunk.js'

export type { FramePlace } from './map-chunk.js'

/**
 * For each page of the database at one TXID, the file and position of its frame. A map is
 * immutable: the map of a later TXID shares the unchanged chunks. PageMapBuilder creates it.
 */
export class PageMap {
  readonly commit: number
  readonly #chunks: readonly (Chunk | undefined)[]

  /** @internal for PageMapBuilder. `chunks` must not change from now on. */
  constructor(commit: number, chunks: readonly (Chunk | undefined)[]) {
    this.commit = commit
    this.#chunks = chunks
  }

  find(pgno: number): FramePlace {
    if (pgno < 1 || pgno > this.commit) return NOWHERE
    return this.#chunks[Math.floor((pgno - 1) / CHUNK_PAGES)]?.get((pgno - 1) % CHUNK_PAGES) ?? NOWHERE
  }

  /** The file that has a page; 0 if none has it. Cheaper than `find`. */
  fileOf(pgno: number): number {
    if (pgno < 1 || pgno > this.commit) return 0
    return this.#chunks[Math.floor((pgno - 1) / CHUNK_PAGES)]?.files[(pgno - 1) % CHUNK_PAGES] ?? 0
  }

  /** Adds the ordinals of all files that have pages of this map. */
  collectFiles(into: Set<number>): void {
    for (const chunk of this.#chunks) if (chunk) for (const file of chunk.ordinals()) into.add(file)
  }

  /** Size of this map's chunks in bytes, including shared ones. */
  get byteLength(): number {
    return this.#chunks.reduce((bytes, chunk) => bytes + (chunk?.buffer.byteLength ?? 0), 0)
  }

  /** Number of chunks, including empty ones. */
  get length(): number {
    return this.#chunks.length
  }

  /**
   * The chunk whose first page is `CHUNK_PAGES * at + 1`; undefined if no file has any of its
   * pages.
   */
  chunk(at: number): Chunk | undefined {
    return this.#chunks[at]
  }
}
