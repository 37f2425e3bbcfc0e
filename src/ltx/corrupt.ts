import { LitestreamError } from '../errors.js'

/** What all readers of LTX bytes throw: what is wrong, in which file, at which byte of it. */
export function corrupt(what: string, file: string, offset: number, pgno?: number): LitestreamError {
  const page = pgno === undefined ? '' : `, page ${pgno}`
  return new LitestreamError('LTX_CORRUPT', `${file}: ${what} (offset ${offset}${page})`, {
    file,
    offset,
    ...(pgno === undefined ? {} : { pgno }),
    hint: 'The file is damaged or incomplete. `litestream-ts ltx verify` shows how far it can be read; restore up to an earlier TXID, or let the primary write a new snapshot.',
  })
}
