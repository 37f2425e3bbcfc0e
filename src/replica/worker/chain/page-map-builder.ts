import type { PageMapTarget } from '../../../ltx/page-index.js'
import { CHUNK_PAGES, Chunk, type FramePlace, NO_FILE, type PageChunk, SparseChunk } from './map-chunk.js'
import { baseFile, type MapBase, PageMap } from './page-map.js'

/**
 * Builds a page map from the previous page map and the files that follow. The builder copies a
 * chunk before it changes a page of that chunk for the first time. The work of a builder is
 * therefore proportional to the size of the page indexes. In addition to this work, the builder
 * passes once over the list of chunks.
 */
export class PageMapBuilder {
  #commit: number
  #chunks: (PageChunk | undefined)[]
  #base: MapBase | undefined
  readonly #owned = new Set<number>()
  /** The chunk that was changed last. */
  #last = -1
  /** An empty chunk that a SparseChunk has replaced. */
  #spare: Chunk | undefined

  constructor(before?: PageMap) {
    this.#commit = before?.commit ?? 0
    this.#chunks = Array.from({ length: before?.length ?? 0 }, (_, at) => before?.chunk(at))
    this.#base = before?.base
  }

  /**
   * Sets the snapshot that has the pages that no chunk has. The parameter may have pages above the
   * size of the database.
   */
  setBase(base: MapBase | undefined): void {
    this.#base = base && { ...base, last: Math.min(base.last, this.#commit) }
  }

  /** Returns the ordinal of the file that has a page, or 0 if no file has the page. */
  fileOf(pgno: number): number {
    const file = this.#chunks[Math.floor((pgno - 1) / CHUNK_PAGES)]?.fileAt((pgno - 1) % CHUNK_PAGES) ?? 0
    return file === 0 ? baseFile(this.#base, pgno) : file === NO_FILE ? 0 : file
  }

  /** Number of chunks that the new page map does not share with the previous page map. */
  get ownChunks(): number {
    return this.#owned.size
  }

  /**
   * Sets the size of the database. Pages above `commit` are removed, and stay removed if the
   * database grows again.
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
    this.setBase(this.#base)
  }

  /**
   * Returns the target into which native code writes the frames of a page index. `peak` is the
   * largest size in pages of the database before the file is applied (PageMapTarget.peak).
   */
  target(file: number, peak: number): PageMapTarget {
    return { file, peak, own: (chunk) => this.#own(chunk).buffer }
  }

  put(pgno: number, place: FramePlace): void {
    this.#own(Math.floor((pgno - 1) / CHUNK_PAGES)).set((pgno - 1) % CHUNK_PAGES, place)
  }

  /** Records that no file has a page. */
  remove(pgno: number): void {
    this.put(pgno, { file: NO_FILE, offset: 0, size: 0 })
  }

  /** Uses a chunk of another page map in this page map. */
  share(at: number, chunk: PageChunk | undefined): void {
    if (chunk) this.#chunks[at] = chunk
  }

  /** Returns the finished page map. The builder must not be used after `build`. */
  build(): PageMap {
    this.#settle(this.#last)
    return new PageMap(this.#commit, this.#chunks, this.#base)
  }

  /** Returns a chunk that no other page map contains. */
  #own(at: number): Chunk {
    if (at !== this.#last) this.#settle(this.#last)
    this.#last = at
    const shared = this.#chunks[at]
    if (shared instanceof Chunk && this.#owned.has(at)) return shared
    const chunk = this.#spare ?? new Chunk()
    this.#spare = undefined
    chunk.copyFrom(shared)
    this.#chunks[at] = chunk
    this.#owned.add(at)
    return chunk
  }

  /**
   * Replaces a chunk with few pages by a SparseChunk. Over a large snapshot, the changed pages are
   * scattered over so many chunks that the chunks would take as much memory as the whole page
   * index.
   */
  #settle(at: number): void {
    const chunk = this.#chunks[at]
    if (!this.#base || !(chunk instanceof Chunk) || !this.#owned.has(at)) return
    const sparse = SparseChunk.of(chunk)
    if (!sparse) return
    this.#chunks[at] = sparse
    this.#owned.delete(at)
    chunk.clearFrom(0)
    this.#spare = chunk
  }
}
