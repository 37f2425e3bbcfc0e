import { toLitestreamError } from '../../errors.js'
import { native } from '../../native/addon.js'

/** Ends the wait of a reader with an error. What SQLite, and `litestream_error()`, show of it is one text: code, message, next step. */
export function failRequest(request: number, error: unknown): void {
  const { code, message, hint } = toLitestreamError(error)
  native.failRequest(request, code, `${message}. ${hint}`)
}
