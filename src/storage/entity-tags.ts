import { type FoundFile, isListed, isSameFile, replacedError } from './object-identity.js'
import type { LtxFileInfo, LtxFileRef } from './replica-client.js'

/**
 * Removes the quotes and the prefix `W/` from an entity tag, so that two tags can be compared.
 * Stores write the quotes differently, even in two responses of one store.
 */
export function versionOf(tag: string | undefined): string | undefined {
  return tag?.replace(/^W\//, '').replace(/^"|"$/g, '') || undefined
}

/**
 * Lists one file of the replica again. Resolves with undefined if the new listing does not contain
 * the file.
 */
type ListAgain = (file: LtxFileRef, signal: AbortSignal | undefined) => Promise<FoundFile | undefined>

/** Checks whether the file that a store's response describes is the file that the store listed. */
export class EntityTags {
  readonly #listAgain: ListAgain
  /**
   * Whether the store's listings and the store's responses show the same tag for a file. S3 shows
   * the same tag. For stores other than S3, EntityTags assumes equal tags until a listing proves
   * the opposite.
   */
  #agree = true

  constructor(listAgain: ListAgain) {
    this.#listAgain = listAgain
  }

  /** Throws NOT_FOUND if `found`, the file in a response of the store, is not the listed file. */
  async check(
    file: LtxFileRef,
    found: FoundFile,
    { target, signal }: { readonly target: string; readonly signal?: AbortSignal | undefined },
  ): Promise<void> {
    if (!(await this.isSame(file, found, signal))) throw replacedError(file as LtxFileInfo, found, target)
  }

  /**
   * Whether `found`, the file in a response of the store, is the listed file. If the two files
   * differ only in their entity tags, isSame() lists the file again, to learn whether this store's
   * tags can be compared.
   */
  async isSame(file: LtxFileRef, found: FoundFile, signal: AbortSignal | undefined): Promise<boolean> {
    if (!isListed(file) || isSameFile(file, found)) return true
    if (!isSameFile(file, { size: found.size })) return false
    if (this.#agree) this.#agree = (await this.#listAgain(file, signal))?.version !== file.version
    return !this.#agree
  }
}
