import { type FoundFile, isListed, isSameFile, replacedError } from './object-identity.js'
import type { LtxFileInfo, LtxFileRef } from './replica-client.js'

/** A comparable entity tag: stores differ in the quotes, even from one response to the next. */
export function versionOf(tag: string | undefined): string | undefined {
  return tag?.replace(/^W\//, '').replace(/^"|"$/g, '') || undefined
}

/** Lists a file again; undefined if the listing does not have it. */
type ListAgain = (file: LtxFileRef, signal: AbortSignal | undefined) => Promise<FoundFile | undefined>

/** Compares a store's responses with its listings. */
export class EntityTags {
  readonly #listAgain: ListAgain
  /**
   * Whether the store's listings have the same tags as its objects. S3's do; for other stores this
   * is unknown.
   */
  #agree = true

  constructor(listAgain: ListAgain) {
    this.#listAgain = listAgain
  }

  /** Throws NOT_FOUND if the found file is not the listed one. */
  async check(
    file: LtxFileRef,
    found: FoundFile,
    { target, signal }: { readonly target: string; readonly signal?: AbortSignal | undefined },
  ): Promise<void> {
    if (!(await this.isSame(file, found, signal))) throw replacedError(file as LtxFileInfo, found, target)
  }

  /**
   * Whether the found file is the listed one; if only the tag differs, a new listing shows whether
   * the difference is significant.
   */
  async isSame(file: LtxFileRef, found: FoundFile, signal: AbortSignal | undefined): Promise<boolean> {
    if (!isListed(file) || isSameFile(file, found)) return true
    if (!isSameFile(file, { size: found.size })) return false
    if (this.#agree) this.#agree = (await this.#listAgain(file, signal))?.version !== file.version
    return !this.#agree
  }
}
