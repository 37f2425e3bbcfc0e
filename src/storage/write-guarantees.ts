import { LitestreamError } from '../errors.js'
import type { ReplicaClient, RequestOptions } from './replica-client.js'

/** What a store guarantees if several writers write the same name. */
export interface WriteGuarantees {
  /** Whether only one of several clients succeeds if they create an object of the same name. */
  readonly createOnly: boolean
  /**
   * Whether `putObject` replaces an object only if the object still has the version that the writer
   * expects.
   */
  readonly compareAndSet: boolean
  /**
   * The reason why the store lacks at least one of the two guarantees. An example of a reason is
   * `the store ignores If-None-Match`. The reason is undefined if the store has both guarantees.
   */
  readonly reason: string | undefined
}

/** The guarantees of a client's store, as far as the client knows them. */
export interface AskedGuarantees {
  /**
   * The guarantees, or undefined while the client has neither made a conditional write nor called
   * `ask`.
   */
  readonly known: WriteGuarantees | undefined
  /**
   * Determines the guarantees, if necessary with requests to the store. Later calls of `ask` return
   * the same result without a request.
   */
  ask(options?: RequestOptions): Promise<WriteGuarantees>
}

/** Makes an AskedGuarantees from functions of a client that stores its guarantees itself. */
export function askedGuarantees(
  known: () => WriteGuarantees | undefined,
  ask: (options: RequestOptions) => Promise<WriteGuarantees>,
): AskedGuarantees {
  return {
    get known() {
      return known()
    },
    ask: async (options = {}) => known() ?? (await ask(options)),
  }
}

/**
 * Throws STORAGE_FAILED with the reason if the store of `client` lacks a guarantee that `what`
 * needs. If `client` has no field `guarantees`, its store has all guarantees.
 */
export async function requireGuarantees(
  client: Pick<ReplicaClient, 'guarantees' | 'url' | 'writeOnce'>,
  what: string,
  needed: readonly ('createOnly' | 'compareAndSet')[],
  options: RequestOptions = {},
): Promise<void> {
  const found = await client.guarantees?.ask(options)
  if (found === undefined || needed.every((one) => found[one])) return
  throw new LitestreamError('STORAGE_FAILED', `${client.url}: ${what} needs conditional writes, and ${found.reason}`, {
    file: client.url,
    hint: client.writeOnce
      ? 'Do not use this feature with the replica, or remove `write-once` from the replica.'
      : 'Use a store that enforces If-None-Match and If-Match on PUT (see docs/storage.md), or do not use this feature.',
  })
}

/**
 * Returns the reason why a second primary could overwrite files of `client` before the client
 * detects the second primary. The reason is undefined if a second primary cannot overwrite files,
 * or if the client does not know the guarantees yet.
 */
export function weakFencing(client: Pick<ReplicaClient, 'guarantees'>): string | undefined {
  const known = client.guarantees?.known
  return known && !known.createOnly ? known.reason : undefined
}
