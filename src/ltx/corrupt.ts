import { LitestreamError } from '../errors.js'

/** The error that all readers of LTX bytes throw: the fault, the file and the offset in it. */
export function corrupt(what: string, file: string, offset: number, pgno?: number): LitestreamError {
  const page = pgno === undefined ? '' : `, page ${pgno}`
  return new LitestreamError('LTX_CORRUPT', `${file}: ${what} (offset ${offset}${page})`, {
    file,
    offset,
    ...(pgno === undefined ? {} : { pgno }),
    hint: 'The file is damaged or incomplete. Run `litestream-ts verify` on the replica to see the TXIDs that can be restored. Restore an earlier TXID (-txid), or write a new snapshot (`litestream-ts replicate -once -force-snapshot DB URL`).',
  })
}

/** Errors that show that a page index is wrong. */
const wrongIndexes = new WeakSet<LitestreamError>()

/**
 * The error for a frame whose page number differs from the page index of its file. Pages missing in
 * the index were taken from older files, so no result of this index can be trusted. `own`: the page
 * number in the frame.
 */
export function wrongIndex(file: string, offset: number, pgno: number, own: number): LitestreamError {
  const error = corrupt(`the page index has page ${pgno}, but its frame has page ${own}`, file, offset, pgno)
  wrongIndexes.add(error)
  return error
}

export function isWrongIndex(error: LitestreamError): boolean {
  return wrongIndexes.has(error)
}
