import { LitestreamError } from '../../errors.js'
import { relativePathFault } from '../../storage/replicas-below.js'

/**
 * Returns the reason why a text cannot be the name of a replica in a pool, or undefined for a valid
 * name. The reason is a phrase for the end of a sentence.
 */
export function replicaNameFault(name: string): string | undefined {
  if (name === '') return 'is empty'
  if (/\p{Cc}/u.test(name)) return 'has a control character'
  // A surrogate without its partner has no UTF-8 form, so no store has such a name.
  if (/\p{Cs}/u.test(name)) return 'has half of a surrogate pair'
  return relativePathFault(name)
}

/** Throws INVALID_ARGUMENT if `name` is not a valid name of a replica. `of` names the function. */
export function checkReplicaName(name: unknown, of: string): asserts name is string {
  const fault = typeof name === 'string' ? replicaNameFault(name) : 'is not text'
  if (fault === undefined) return
  const shown = typeof name === 'string' ? ` ${JSON.stringify(name.slice(0, 200))}` : ''
  throw new LitestreamError('INVALID_ARGUMENT', `${of}: the name${shown} ${fault}`, {
    hint: 'Pass the path of the replica relative to the prefix of the pool, such as "tenant-42/app.db".',
  })
}
