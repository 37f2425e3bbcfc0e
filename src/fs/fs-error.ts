import { LitestreamError, toLitestreamError } from '../errors.js'

/**
 * Converts an error of `node:fs` to a LitestreamError. `doing` names the failed action, such as
 * "reading", and `file` is the path of the file.
 */
export function fsError(error: unknown, doing: string, file: string): LitestreamError {
  if (error instanceof LitestreamError) return error
  const { code, message, hint } = toLitestreamError(error)
  return new LitestreamError(code, `${doing} ${file} failed: ${message}`, { cause: error, file, hint })
}

export function isErrno(error: unknown, ...codes: string[]): boolean {
  return error instanceof Error && codes.includes((error as NodeJS.ErrnoException).code ?? '')
}
