import { LitestreamError } from '../errors.js'

/**
 * Maximum size in bytes of a small object beside the LTX files (a lease, a writer record). The
 * objects that this package writes have a few hundred bytes.
 */
export const MAX_TAGGED_OBJECT = 256 * 1024

export function checkTaggedSize(size: number, name: string): void {
  if (size <= MAX_TAGGED_OBJECT) return
  throw new LitestreamError('STORAGE_FAILED', `${name} has ${size} bytes; the limit is ${MAX_TAGGED_OBJECT} bytes`, {
    file: name,
    hint: 'Check the path in the replica URL. If the path is correct, delete the object, which another program wrote.',
  })
}
