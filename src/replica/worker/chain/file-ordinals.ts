import { fileIdentity } from '../../../levels/file-identity.js'
import type { LtxFileInfo } from '../../../storage/replica-client.js'

/**
 * The files that page maps refer to, by ordinal. A file keeps its ordinal while something refers to
 * it; unreferenced files are removed, because a primary that writes a file per second would
 * otherwise fill the memory.
 */
export class FileTable {
  readonly #files: (LtxFileInfo | undefined)[] = []
  readonly #ordinals = new Map<string, number>()
  readonly #free: number[] = []
  /** Ordinals that were unreferenced at the previous reclaim. */
  #idle = new Set<number>()

  /** Number of known files. */
  get size(): number {
    return this.#ordinals.size
  }

  /** The file's ordinal, 1 or more. */
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

  /** The file with this ordinal, which must be referenced. */
  get(ordinal: number): LtxFileInfo {
    return this.#files[ordinal - 1] as LtxFileInfo
  }

  /**
   * Removes the files that were unreferenced at this reclaim and at the previous one. Two are
   * needed, because a map under construction already refers to files. Returns the removed ordinals,
   * which new files will get.
   */
  reclaim(used: ReadonlySet<number>): Set<number> {
    const freed = new Set([...this.#idle].filter((ordinal) => !used.has(ordinal)))
    for (const ordinal of freed) {
      this.#ordinals.delete(fileIdentity(this.get(ordinal)))
      this.#files[ordinal - 1] = undefined
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

  /** Identities of the largest files, which live longest. */
  identities(): string[] {
    return this.#files
      .filter((file) => file !== undefined)
      .sort((a, b) => b.size - a.size)
      .slice(0, 16)
      .map(fileIdentity)
  }
}
