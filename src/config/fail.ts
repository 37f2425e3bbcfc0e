import { LitestreamError } from '../errors.js'
import type { ParsedConfig } from './parse.js'

/**
 * Creates a CONFIG_INVALID error whose message begins with the position of the key `path` in the
 * file.
 */
export type FailAt = (path: readonly PropertyKey[], message: string, hint?: string) => LitestreamError

export function failer(config: ParsedConfig): FailAt {
  return (path, message, hint) =>
    new LitestreamError('CONFIG_INVALID', `${config.place(path)}: ${message}`, { file: config.file, hint })
}

export function ageError(fail: FailAt, path: readonly PropertyKey[]): LitestreamError {
  return fail(
    path,
    'age encryption is not currently supported',
    'Delete the `age` section and let the store encrypt (sse-kms-key-id or sse-customer-key on S3); Litestream 0.5 refuses the section too.',
  )
}
