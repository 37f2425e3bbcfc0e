import { LitestreamError } from '../errors.js'

/** What all readers of LTX bytes throw: what is wrong, in which file, at which byte of it. */
export function corrupt(what: string, file: string, offset: number, pgno?: number): LitestreamError {
  const page = pgno === undefined ? '' : `, page ${pgno}`
  return new LitestreamError('LTX_CORRUPT', `${file}: ${what} (offset ${offset}${page})`, {
    file,
    offset,
    ...(pgno === undefined ? {} : { pgno }),
    hint: 'The file is damaged or incomplete. Run `litestream-ts verify` on the replica to see the TXIDs that can be restored. Restore an earlier TXID (-txid), or write a new snapshot (`litestream-ts replicate -once -force-snapshot DB URL`).',
  })
}

/** Errors of page indexes that a frame has shown to be wrong. */
const wrongIndexes = new WeakSet<LitestreamError>()

/**
 * The error for a frame that is of another page than the page index of its file says: the pages that the index leaves out were taken
 * from older files, so nothing that was made by the index is to be trusted. `own`: the page that the frame says.
 */
export function wrongIndex(file: string, offset: number, pgno: number, own: number): LitestreamError {
  const error = corrupt(`the page index has page ${pgno}, but its frame has page ${own}`, file, offset, pgno)
  wrongIndexes.add(error)
  return error
}

export function isWrongIndex(error: LitestreamError): boolean {
  return wrongIndexes.has(error)
}
