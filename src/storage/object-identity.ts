import { LitestreamError } from '../errors.js'
import type { LtxFileInfo, LtxFileRef } from './replica-client.js'

/** The store's data about the file that it has now. */
export type FoundFile = Pick<LtxFileInfo, 'size' | 'version'>

/** Whether the file came from a listing, so that more than its name is known. */
export function isListed(file: LtxFileRef): file is LtxFileInfo {
  return 'size' in file && 'createdAt' in file
}

/**
 * Whether the found file can be the listed one: the same size, and the same version if both have
 * one.
 */
export function isSameFile(file: LtxFileRef, found: FoundFile): boolean {
  if (!isListed(file)) return true
  return file.size === found.size && sameVersion(file, found)
}

function sameVersion(a: FoundFile, b: FoundFile): boolean {
  return a.version === undefined || b.version === undefined || a.version === b.version
}

/** Throws NOT_FOUND if the found file is not the listed one; `name`: for the message. */
export function checkSameFile(file: LtxFileRef, found: FoundFile, name: string): void {
  if (!isSameFile(file, found)) throw replacedError(file as LtxFileInfo, found, name)
}

export function replacedError(listed: LtxFileInfo, found: FoundFile, name: string): LitestreamError {
  const [was, is] =
    listed.size === found.size
      ? [`was version ${listed.version}`, `is ${found.version}`]
      : [`had ${listed.size} bytes`, `has ${found.size}`]
  return new LitestreamError('NOT_FOUND', `${name} was replaced: it ${was} when it was listed and ${is} now`, {
    file: name,
    hint: 'List the replica again: it was reset, or another primary writes to it.',
  })
}
