import { fileIdentity, fileLabel } from '../../../levels/file-label.js'
import type { LtxFileInfo } from '../../../storage/replica-client.js'

/**
 * The files that page maps point into, by small numbers. A file keeps its ordinal for as long as something refers to it; a primary
 * that writes a file a second would otherwise fill memory in time.
 */
export class FileTable {
  readonly #files: (LtxFileInfo | undefined)[] = []
  readonly #ordinals = new Map<string, number>()
  readonly #free: number[] = []
  /** Ordinals that nothing referred to when that was last looked at. */
  #idle = new Set<number>()

  /** Files known. */
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

  /** A file that something refers to. */
  get(ordinal: number): LtxFileInfo {
    return this.#files[ordinal - 1] as LtxFileInfo
  }

  /**
   * Forgets the files that nothing referred to the last time either: twice, because a map that is being made refers to files before
   * anyone can see it. Returns their ordinals, which the next files get.
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

  /** The newest file with this label in messages; `replica`: its URL, as labels have it. */
  byLabel(replica: { readonly url: string }, label: string | undefined): LtxFileInfo | undefined {
    return this.#files.findLast((file) => file && fileLabel(replica, file) === label)
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
