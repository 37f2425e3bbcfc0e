import { toLitestreamError } from '../../errors.js'
import { native } from '../../native/addon.js'

/**
 * Fails a reader's request. SQLite and `litestream_error()` report the same text. The text consists
 * of the error code, the message and the hint.
 */
export function failRequest(request: number, error: unknown): void {
  const { code, message, hint } = toLitestreamError(error)
  native.failRequest(request, code, `${message}. ${hint}`)
}
