import { LitestreamError } from '../errors.js'
import { formatFileName } from '../ltx/file-name.js'
import type { LtxFileInfo, LtxFileRef } from '../storage/replica-client.js'

/** The files that page maps point into, by small numbers. One file has one ordinal for as long as the replica is open. */
export class FileTable {
  readonly #files: LtxFileInfo[] = []
  readonly #ordinals = new Map<string, number>()

  /** The file's ordinal, 1 or more. */
  ordinal(file: LtxFileInfo): number {
    const key = fileIdentity(file)
    let ordinal = this.#ordinals.get(key)
    if (ordinal === undefined) {
      this.#files.push(file)
      ordinal = this.#files.length
      this.#ordinals.set(key, ordinal)
    }
    return ordinal
  }

  get(ordinal: number): LtxFileInfo {
    return this.#files[ordinal - 1]
  }

  /** The newest file of this label (`level/name`). */
  byLabel(label: string | undefined): LtxFileInfo | undefined {
    return this.#files.findLast((file) => fileLabel(file) === label)
  }

  has(file: LtxFileInfo): boolean {
    return this.hasIdentity(fileIdentity(file))
  }

  hasIdentity(identity: string): boolean {
    return this.#ordinals.has(identity)
  }

  /** Identities of the largest files, which live longest. */
  identities(): string[] {
    return [...this.#files]
      .sort((a, b) => b.size - a.size)
      .slice(0, 16)
      .map(fileIdentity)
  }
}

/** A file of the same name but another size or time is another file: of a replica begun anew. */
export function fileIdentity(file: LtxFileInfo): string {
  return `${fileLabel(file)}/${file.size}/${file.createdAt}`
}

/** The error for a file that is not the listed one any more: its size is another. */
export function replaced(file: LtxFileInfo, size: number): LitestreamError {
  const label = fileLabel(file)
  return new LitestreamError('NOT_FOUND', `${label} was replaced: it had ${file.size} bytes and has ${size} now`, {
    file: label,
  })
}

/** How a file is called in messages: `level/name`. */
export function fileLabel(file: LtxFileRef): string {
  return `${file.level}/${formatFileName(file.minTxid, file.maxTxid)}`
}
