import { fileIdentity } from '../../../levels/file-identity.js'
import type { PagedIndex } from '../../../levels/paged-index.js'
import type { LtxFileInfo } from '../../../storage/replica-client.js'

/**
 * The files that page maps refer to. The key of a file is its ordinal. A file keeps its ordinal as
 * long as a page map refers to the file. The table removes unreferenced files. If the table kept
 * unreferenced files, a primary that writes a file per second would fill the memory.
 */
export class FileTable {
  readonly #files: (LtxFileInfo | undefined)[] = []
  readonly #ordinals = new Map<string, number>()
  readonly #free: number[] = []
  readonly #indexes = new Map<number, PagedIndex>()
  /** Ordinals that no page map referred to at the previous call of `reclaim`. */
  #idle = new Set<number>()

  /** Number of files in the table. */
  get size(): number {
    return this.#ordinals.size
  }

  /** Returns the ordinal of a file. An ordinal is 1 or more. */
  ordinal(file: LtxFileInfo): number {
    const key = fileIdentity(file)
    let ordinal = this.#ordinals.get(key)
    if (ordinal === undefined) {
      ordinal = this.#free.pop() ?? this.#files.length + 1
      this.#files[ordinal - 1] = file
      this.#ordinals.set(key, ordinal)
    }
    this.#idle.delete(ordinal)
    return ordinal
  }

  /**
   * Returns the file with this ordinal. The file with this ordinal must be referenced by a page
   * map.
   */
  get(ordinal: number): LtxFileInfo {
    return this.#files[ordinal - 1] as LtxFileInfo
  }

  /** Returns the page index of the snapshot with this ordinal, if the page index is read in blocks. */
  pagedIndex(ordinal: number): PagedIndex | undefined {
    return this.#indexes.get(ordinal)
  }

  /** Sets the page index that `pagedIndex` returns. */
  setPagedIndex(ordinal: number, index: PagedIndex): void {
    this.#indexes.set(ordinal, index)
  }

  /**
   * Removes the files that were unreferenced both at this call of `reclaim` and at the previous
   * call. A file is kept for one more call of `reclaim`, because a page map under construction may
   * already refer to it. Returns the ordinals of the removed files. New files will get these
   * ordinals.
   */
  reclaim(used: ReadonlySet<number>): Set<number> {
    const freed = new Set([...this.#idle].filter((ordinal) => !used.has(ordinal)))
    for (const ordinal of freed) {
      this.#ordinals.delete(fileIdentity(this.get(ordinal)))
      this.#files[ordinal - 1] = undefined
      this.#indexes.delete(ordinal)
      this.#free.push(ordinal)
    }
    this.#idle = new Set([...this.#ordinals.values()].filter((ordinal) => !used.has(ordinal)))
    return freed
  }

  has(file: LtxFileInfo): boolean {
    return this.hasIdentity(fileIdentity(file))
  }

  hasIdentity(identity: string): boolean {
    return this.#ordinals.has(identity)
  }

  /**
   * Returns the identities of the 16 largest files. The largest files exist for the longest time.
   */
  identities(): string[] {
    return this.#files
      .filter((file) => file !== undefined)
      .sort((a, b) => b.size - a.size)
      .slice(0, 16)
      .map(fileIdentity)
  }
}
