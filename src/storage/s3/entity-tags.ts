import type { _Object } from '@aws-sdk/client-s3'
import { type FoundFile, isListed, isSameFile, replacedError } from '../object-identity.js'
import type { LtxFileInfo, LtxFileRef } from '../replica-client.js'
import type { Subject } from './requests.js'

/** What a listing tells of an object; NaN for what it does not tell. */
export function factsOf({ Size, LastModified, ETag }: _Object): Pick<LtxFileInfo, 'size' | 'createdAt' | 'version'> {
  return { size: Size ?? Number.NaN, createdAt: LastModified?.getTime() ?? Number.NaN, version: versionOf(ETag) }
}

/** An entity tag as it can be compared: stores differ, and one with itself, in the quotes around it. */
export function versionOf(tag: string | undefined): string | undefined {
  return tag?.replace(/^W\//, '').replace(/^"|"$/g, '') || undefined
}

/** What a new listing says of a file; undefined where it does not have it. */
type ListAgain = (file: LtxFileRef, signal: AbortSignal | undefined) => Promise<FoundFile | undefined>

/** Compares what a store answers with what it had listed. */
export class EntityTags {
  readonly #listAgain: ListAgain
  /** Whether the tags of its listings are those of its objects. S3's are; of all that speak its protocol nobody knows. */
  #agree = true

  constructor(listAgain: ListAgain) {
    this.#listAgain = listAgain
  }

  /** Throws NOT_FOUND where what was found is not the file that was listed. */
  async check(file: LtxFileRef, found: FoundFile, { target, signal }: Subject): Promise<void> {
    if (!(await this.isSame(file, found, signal))) throw replacedError(file as LtxFileInfo, found, target)
  }

  /** Whether it is the file that was listed; where only the tag is another, a new listing tells whether that means something. */
  async isSame(file: LtxFileRef, found: FoundFile, signal: AbortSignal | undefined): Promise<boolean> {
    if (!isListed(file) || isSameFile(file, found)) return true
    if (!isSameFile(file, { size: found.size })) return false
    if (this.#agree) this.#agree = (await this.#listAgain(file, signal))?.version !== file.version
    return !this.#agree
  }
}
