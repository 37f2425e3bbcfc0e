import { LitestreamError } from '../errors.js'

/**
 * Returns the LTX_CORRUPT error for a damaged LTX file. The error contains a description of the
 * fault, the file and the offset of the fault.
 */
export function corrupt(what: string, file: string, offset: number, pgno?: number): LitestreamError {
  const page = pgno === undefined ? '' : `, page ${pgno}`
  return new LitestreamError('LTX_CORRUPT', `${file}: ${what} (offset ${offset}${page})`, {
    file,
    offset,
    ...(pgno === undefined ? {} : { pgno }),
    hint: 'Run `litestream-ts verify` on the replica to see the TXIDs that can be restored. Restore an earlier TXID (-txid), or write a new snapshot (`litestream-ts replicate -once -force-snapshot DB URL`).',
  })
}

/** The errors that prove that the page index of a file is wrong. */
const wrongIndexes = new WeakSet<LitestreamError>()

/**
 * Returns the error for a frame whose page number differs from the page index. `own` is the page
 * number in the frame. If a page index lacks some pages, a reader uses older versions of these
 * pages from other files. All pages that were read with a wrong page index may therefore be wrong.
 */
export function wrongIndex(file: string, offset: number, pgno: number, own: number): LitestreamError {
  const error = corrupt(`the page index has page ${pgno}, but its frame has page ${own}`, file, offset, pgno)
  wrongIndexes.add(error)
  return error
}

export function isWrongIndex(error: LitestreamError): boolean {
  return wrongIndexes.has(error)
}
