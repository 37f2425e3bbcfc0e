import { LitestreamError, toLitestreamError } from '../errors.js'

/**
 * The LitestreamError for an error of `node:fs` while `doing` (such as "reading") something with
 * `file`.
 */
export function fsError(error: unknown, doing: string, file: string): LitestreamError {
  if (error instanceof LitestreamError) return error
  const { code, message, hint } = toLitestreamError(error)
  return new LitestreamError(code, `${doing} ${file} failed: ${message}`, { cause: error, file, hint })
}

export function isErrno(error: unknown, ...codes: string[]): boolean {
  return error instanceof Error && codes.includes((error as NodeJS.ErrnoException).code ?? '')
}
