import { LitestreamError } from '../errors.js'

/**
 * Formats a TXID as 16 lowercase hexadecimal digits, the form in file names and messages.
 *
 * @example
 * console.log(formatTxid(42)) // 000000000000002a
 */
export function formatTxid(txid: number): string {
  return txid.toString(16).padStart(16, '0')
}

/**
 * Parses a TXID from 16 hexadecimal digits. Accepts uppercase digits. Throws INVALID_ARGUMENT if
 * the text is not a TXID.
 *
 * @example
 * const txid = parseTxid('000000000000002a')
 */
export function parseTxid(text: string): number {
  const txid = /^[0-9a-f]{16}$/i.test(text) ? Number.parseInt(text, 16) : Number.NaN
  if (!Number.isSafeInteger(txid) || txid < 1) {
    throw new LitestreamError('INVALID_ARGUMENT', `invalid TXID ${JSON.stringify(text)}`, {
      hint: 'Write a TXID as 16 hexadecimal digits, at least 0000000000000001.',
    })
  }
  return txid
}
