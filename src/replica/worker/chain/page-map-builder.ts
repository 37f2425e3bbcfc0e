import type { PageMapTarget } from '../../../ltx/page-index.js'
import { CHUNK_PAGES, Chunk, type FramePlace } from './map-chunk.js'
import { PageMap } from './page-map.js'

/**
 * Makes a page map from the one before and the files after it. A chunk of the map before is copied when its first page changes, so the
 * work is that of the page indexes; the chunks themselves are counted once, when the builder is made.
 */
export class PageMapBuilder {
  #commit: number
  #chunks: (Chunk | undefined)[]
  readonly #owned = new Set<number>()

  constructor(before?: PageMap) {
    this.#commit = before?.commit ?? 0
    this.#chunks = Array.from({ length: before?.length ?? 0 }, (_, at) => before?.chunk(at))
  }

  /** Chunks that this builder made for itself, instead of sharing those of the map before. */
  get ownChunks(): number {
    return this.#owned.size
  }

  /** From now on a database of this size; pages beyond it are gone, also if the database grows again. */
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

  /** Where a page index enters the frames of a file; `peak`: see PageMapTarget. */
  target(file: number, peak: number): PageMapTarget {
    return { file, peak, own: (chunk) => this.#own(chunk).buffer }
  }

  put(pgno: number, place: FramePlace): void {
    this.#own(Math.floor((pgno - 1) / CHUNK_PAGES)).set((pgno - 1) % CHUNK_PAGES, place)
  }

  /** Takes a chunk of another map, which both share from now on. */
  share(at: number, chunk: Chunk | undefined): void {
    if (chunk) this.#chunks[at] = chunk
  }

  /** The map so far. The builder must not be used afterwards. */
  build(): PageMap {
    return new PageMap(this.#commit, this.#chunks)
  }

  /** A chunk that no map has. */
  #own(at: number): Chunk {
    const shared = this.#chunks[at]
    if (shared && this.#owned.has(at)) return shared
    const chunk = new Chunk(shared)
    this.#chunks[at] = chunk
    this.#owned.add(at)
    return chunk
  }
}
