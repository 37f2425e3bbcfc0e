import { CHUNK_PAGES, type Chunk, type FramePlace, NOWHERE } from './map-chunk.js'

export type { FramePlace } from './map-chunk.js'

/**
 * Which frame of which file holds each page of the database, at one TXID. A map never changes: the map of a later TXID shares the
 * chunks in which nothing changed. Made by PageMapBuilder.
 */
export class PageMap {
  readonly commit: number
  readonly #chunks: readonly (Chunk | undefined)[]

  /** @internal for PageMapBuilder. `chunks`: nobody may change them from now on. */
  constructor(commit: number, chunks: readonly (Chunk | undefined)[]) {
    this.commit = commit
    this.#chunks = chunks
  }

  find(pgno: number): FramePlace {
    if (pgno < 1 || pgno > this.commit) return NOWHERE
    return this.#chunks[Math.floor((pgno - 1) / CHUNK_PAGES)]?.get((pgno - 1) % CHUNK_PAGES) ?? NOWHERE
  }

  /** The file that has a page; 0 if none has. Cheaper than `find`. */
  fileOf(pgno: number): number {
    if (pgno < 1 || pgno > this.commit) return 0
    return this.#chunks[Math.floor((pgno - 1) / CHUNK_PAGES)]?.files[(pgno - 1) % CHUNK_PAGES] ?? 0
  }

  /** Adds the ordinals of all files that pages of this map are in. */
  collectFiles(into: Set<number>): void {
    for (const chunk of this.#chunks) if (chunk) for (const file of chunk.ordinals()) into.add(file)
  }

  /** Bytes of the chunks of this map, shared ones included. */
  get byteLength(): number {
    return this.#chunks.reduce((bytes, chunk) => bytes + (chunk?.buffer.byteLength ?? 0), 0)
  }

  /** How many chunks there are, those without a page included. */
  get length(): number {
    return this.#chunks.length
  }

  /** Pages `CHUNK_PAGES * at + 1` and on; undefined if no file has any of them. */
  chunk(at: number): Chunk | undefined {
    return this.#chunks[at]
  }
}
