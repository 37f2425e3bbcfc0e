import { LitestreamError } from '../errors.js'
import type { LtxFileInfo, LtxFileRef } from './replica-client.js'

/** Size and version of a file as the store reports them now. */
export type FoundFile = Pick<LtxFileInfo, 'size' | 'version'>

/** Whether `file` comes from a listing, and therefore has a size and a time. */
export function isListed(file: LtxFileRef): file is LtxFileInfo {
  return 'size' in file && 'createdAt' in file
}

/**
 * Whether `found`, the file that the store has now, can be the listed file. The two files must have
 * the same size. If both descriptions have a version, the versions must be equal too.
 */
export function isSameFile(file: LtxFileRef, found: FoundFile): boolean {
  if (!isListed(file)) return true
  return file.size === found.size && sameVersion(file, found)
}

function sameVersion(a: FoundFile, b: FoundFile): boolean {
  return a.version === undefined || b.version === undefined || a.version === b.version
}

/**
 * Throws NOT_FOUND if `found`, the file that the store has now, is not the listed file. `name`
 * names the file in the message.
 */
export function checkSameFile(file: LtxFileRef, found: FoundFile, name: string): void {
  if (!isSameFile(file, found)) throw replacedError(file as LtxFileInfo, found, name)
}

export function replacedError(listed: LtxFileInfo, found: FoundFile, name: string): LitestreamError {
  const [was, is] =
    listed.size === found.size
      ? [`was version ${listed.version}`, `is ${found.version}`]
      : [`had ${listed.size} bytes`, `has ${found.size}`]
  return new LitestreamError('NOT_FOUND', `${name} was replaced: the file ${was} in the listing and ${is} now`, {
    file: name,
    hint: 'List the files of the replica again, then repeat the read. The replica was reset, or another primary writes to the replica.',
  })
}
