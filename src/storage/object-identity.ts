import { LitestreamError } from '../errors.js'
import type { LtxFileInfo, LtxFileRef } from './replica-client.js'

/** What a store tells about the file that it has. */
export type FoundFile = Pick<LtxFileInfo, 'size' | 'version'>

/** Whether more than its name is known: a listing told of it. */
export function isListed(file: LtxFileRef): file is LtxFileInfo {
  return 'size' in file && 'createdAt' in file
}

/** Whether it may be the file that was listed: of the same size, and of the same version where both tell one. */
export function isSameFile(file: LtxFileRef, found: FoundFile): boolean {
  if (!isListed(file)) return true
  return file.size === found.size && sameVersion(file, found)
}

function sameVersion(a: FoundFile, b: FoundFile): boolean {
  return a.version === undefined || b.version === undefined || a.version === b.version
}

/** Throws NOT_FOUND where what was found under the name is not the file that was listed; `name`: for the message. */
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
    hint: 'The replica was begun anew, or another primary writes to it.',
  })
}
