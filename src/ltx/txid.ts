import { LitestreamError } from '../errors.js'

/** The text form of a TXID in names and messages: 16 lowercase hex digits. */
export function formatTxid(txid: number): string {
  return txid.toString(16).padStart(16, '0')
}

/** Takes upper-case digits too, as Litestream does. Throws INVALID_ARGUMENT. */
export function parseTxid(text: string): number {
  const txid = /^[0-9a-f]{16}$/i.test(text) ? Number.parseInt(text, 16) : Number.NaN
  if (!Number.isSafeInteger(txid) || txid < 1) {
    throw new LitestreamError('INVALID_ARGUMENT', `invalid TXID ${JSON.stringify(text)}`, {
      hint: 'Write a TXID as 16 hexadecimal digits, at least 0000000000000001.',
    })
  }
  return txid
}
