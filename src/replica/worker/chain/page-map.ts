import type { PageMapTarget } from '../../../ltx/page-index.js'

/** Pages of one chunk of the map; as in native/replica/replica.h. The addon writes chunks too (native/napi/page_index_napi.cc). */
export const CHUNK_PAGES = 1024

/** Where the frame of one page lies. */
export interface FramePlace {
  /** Ordinal of the file in the file table; 0: no file has the page. */
  readonly file: number
  /** Bytes. */
  readonly offset: number
  /** Bytes of the whole frame. */
  readonly size: number
}

/** Bits of a frame's size; the largest page that does not shrink needs 17. */
const SIZE_BITS = 18
const SIZE_MASK = 2 ** SIZE_BITS - 1

/** 12 bytes a page: the low half of the offset, its 14 high bits (64 TiB) beside the size, and a file ordinal. */
class Chunk {
  readonly buffer: ArrayBuffer
  readonly #low: Uint32Array
  readonly #high: Uint32Array
  readonly files: Uint32Array

  constructor(from?: Chunk) {
    this.buffer = new ArrayBuffer(CHUNK_PAGES * 12)
    this.#low = new Uint32Array(this.buffer, 0, CHUNK_PAGES)
    this.#high = new Uint32Array(this.buffer, CHUNK_PAGES * 4, CHUNK_PAGES)
    this.files = new Uint32Array(this.buffer, CHUNK_PAGES * 8, CHUNK_PAGES)
    if (!from) return
    this.#low.set(from.#low)
    this.#high.set(from.#high)
    this.files.set(from.files)
  }

  get(i: number): FramePlace {
    const high = this.#high[i]
    return {
      file: this.files[i],
      offset: Math.floor(high / 2 ** SIZE_BITS) * 2 ** 32 + this.#low[i],
      size: high & SIZE_MASK,
    }
  }

  set(i: number, file: number, offset: number, size: number): void {
    this.#low[i] = offset % 2 ** 32
    this.#high[i] = Math.floor(offset / 2 ** 32) * 2 ** SIZE_BITS + size
    this.files[i] = file
  }
}

/**
 * Which frame of which file holds each page of the database, at one TXID. A map never changes once `freeze` was called: the map of
 * a later TXID shares the chunks in which nothing changed.
 */
export class PageMap {
  readonly commit: number
  readonly #chunks: (Chunk | undefined)[]
  readonly #owned = new Set<number>()
  #frozen = false

  private constructor(commit: number, chunks: (Chunk | undefined)[]) {
    this.commit = commit
    this.#chunks = chunks
  }

  static empty(): PageMap {
    return new PageMap(0, [])
  }

  /** A frozen map of `commit` pages, each where `place` says. */
  static build(commit: number, place: (pgno: number) => FramePlace): PageMap {
    const map = new PageMap(commit, [])
    for (let pgno = 1; pgno <= commit; pgno++) {
      const { file, offset, size } = place(pgno)
      if (file !== 0) map.#put(pgno, file, offset, size)
    }
    return map.freeze()
  }

  /**
   * The map after a file: its pages override, pages beyond its commit are gone. `enter` enters each frame of the file. Costs the pages
   * of the index, not those of the map.
   */
  apply(enter: (target: PageMapTarget) => void, file: number, commit: number): PageMap {
    const next = new PageMap(commit, this.#chunks.slice(0, Math.ceil(commit / CHUNK_PAGES)))
    if (!this.#frozen) for (const i of this.#owned) if (i < next.#chunks.length) next.#owned.add(i)
    if (commit < this.commit) next.#truncate()
    enter({ file, commit, own: (chunk) => next.#own(chunk).buffer })
    return next
  }

  /** The same versions of pages; those that are where `before` has them are where `after` has them, if it has a place for them. */
  movedAlong(before: PageMap, after: PageMap): PageMap {
    const next = new PageMap(this.commit, this.#chunks.slice())
    for (let pgno = 1; pgno <= this.commit; pgno++) {
      const file = this.fileOf(pgno)
      if (file === 0 || file !== before.fileOf(pgno) || file === after.fileOf(pgno)) continue
      const place = after.find(pgno)
      if (place.file !== 0) next.#put(pgno, place.file, place.offset, place.size)
    }
    return next.freeze()
  }

  /** From now on nobody may change the chunks of this map. */
  freeze(): this {
    this.#frozen = true
    this.#owned.clear()
    return this
  }

  find(pgno: number): FramePlace {
    const chunk = this.#chunks[Math.floor((pgno - 1) / CHUNK_PAGES)]
    if (pgno < 1 || pgno > this.commit || !chunk) return { file: 0, offset: 0, size: 0 }
    const i = (pgno - 1) % CHUNK_PAGES
    return chunk.get(i)
  }

  /** The file that has a page; 0 if none has. Cheaper than `find`. */
  fileOf(pgno: number): number {
    if (pgno < 1 || pgno > this.commit) return 0
    return this.#chunks[Math.floor((pgno - 1) / CHUNK_PAGES)]?.files[(pgno - 1) % CHUNK_PAGES] ?? 0
  }

  /** Adds the ordinals of all files that pages of this map are in. */
  collectFiles(into: Set<number>): void {
    for (const chunk of this.#chunks) {
      let last = 0
      for (const file of chunk?.files ?? []) {
        if (file !== last) into.add(file)
        last = file
      }
    }
  }

  /** Chunks that this map made for itself, instead of sharing those of the map before; 0 once it is frozen. */
  get ownChunks(): number {
    return this.#owned.size
  }

  /** Bytes held by chunks that no frozen map shares, plus the shared ones; for the statistics. */
  get byteLength(): number {
    return this.#chunks.reduce((bytes, chunk) => bytes + (chunk ? CHUNK_PAGES * 12 : 0), 0)
  }

  #put(pgno: number, file: number, offset: number, size: number): void {
    this.#own(Math.floor((pgno - 1) / CHUNK_PAGES)).set((pgno - 1) % CHUNK_PAGES, file, offset, size)
  }

  /** A chunk that no other map has. */
  #own(at: number): Chunk {
    const shared = this.#chunks[at]
    if (shared && this.#owned.has(at)) return shared
    const chunk = new Chunk(shared)
    this.#chunks[at] = chunk
    this.#owned.add(at)
    return chunk
  }

  /** Clears what the last chunk has beyond the commit, so that a database that grows again does not find it. */
  #truncate(): void {
    const at = Math.floor(this.commit / CHUNK_PAGES)
    const first = this.commit % CHUNK_PAGES
    if (first === 0 || !this.#chunks[at]) return
    const chunk = new Chunk(this.#chunks[at])
    chunk.files.fill(0, first)
    this.#chunks[at] = chunk
    this.#owned.add(at)
  }
}
