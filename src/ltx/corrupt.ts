import { LitestreamError } from '../errors.js'

/** What all readers of LTX bytes throw: what is wrong, in which file, at which byte of it. */
export function corrupt(what: string, file: string, offset: number, pgno?: number): LitestreamError {
  const page = pgno === undefined ? '' : `, page ${pgno}`
  return new LitestreamError('LTX_CORRUPT', `${file}: ${what} (offset ${offset}${page})`, {
    file,
    offset,
    ...(pgno === undefined ? {} : { pgno }),
    hint: 'The file is damaged or incomplete. Run `litestream-ts verify` on the replica to see what can be restored; restore to an earlier TXID (-txid), or write a new snapshot (`litestream-ts replicate -once -force-snapshot DB URL`).',
  })
}
