import type { PageMapTarget } from '../../../ltx/page-index.js'
import { CHUNK_PAGES, Chunk, type FramePlace } from './map-chunk.js'
import { PageMap } from './page-map.js'

/**
 * Builds a page map from the previous map and the files after it. A chunk is copied when its first
 * page changes, so the work is proportional to the page indexes, plus one pass over the list of
 * chunks.
 */
export class PageMapBuilder {
  #commit: number
  #chunks: (Chunk | undefined)[]
  readonly #owned = new Set<number>()

  constructor(before?: PageMap) {
    this.#commit = before?.commit ?? 0
    this.#chunks = Array.from({ length: before?.length ?? 0 }, (_, at) => before?.chunk(at))
  }

  /** Number of chunks that this builder owns, instead of sharing them with the previous map. */
  get ownChunks(): number {
    return this.#owned.size
  }

  /**
   * Sets the size of the database; pages beyond it are removed, also if the database grows again.
   */
  resize(commit: number): void {
    if (commit < this.#commit) {
      const length = Math.ceil(commit / CHUNK_PAGES)
      this.#chunks.length = Math.min(this.#chunks.length, length)
      for (const at of this.#owned) if (at >= length) this.#owned.delete(at)
      const [last, first] = [length - 1, commit % CHUNK_PAGES]
      if (first !== 0 && this.#chunks[last]) this.#own(last).clearFrom(first)
    }
    this.#commit = commit
  }

  /** The target for the frames of a page index; `peak`: see PageMapTarget. */
  target(file: number, peak: number): PageMapTarget {
    return { file, peak, own: (chunk) => this.#own(chunk).buffer }
  }

  put(pgno: number, place: FramePlace): void {
    this.#own(Math.floor((pgno - 1) / CHUNK_PAGES)).set((pgno - 1) % CHUNK_PAGES, place)
  }

  /** Shares a chunk with another map. */
  share(at: number, chunk: Chunk | undefined): void {
    if (chunk) this.#chunks[at] = chunk
  }

  /** The map so far. The builder must not be used afterwards. */
  build(): PageMap {
    return new PageMap(this.#commit, this.#chunks)
  }

  /** A chunk that no map contains. */
  #own(at: number): Chunk {
    const shared = this.#chunks[at]
    if (shared && this.#owned.has(at)) return shared
    const chunk = new Chunk(shared)
    this.#chunks[at] = chunk
    this.#owned.add(at)
    return chunk
  }
}
