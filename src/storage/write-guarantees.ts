import { LitestreamError } from '../errors.js'
import type { ReplicaClient, RequestOptions } from './replica-client.js'

/** The guarantees of a store for several writers that write an object of the same name. */
export interface WriteGuarantees {
  /** If several clients create an object of the same name, only one of these clients succeeds. */
  readonly createOnly: boolean
  /**
   * `putObject` replaces an object only if the object still has the version that the writer
   * expects.
   */
  readonly compareAndSet: boolean
  /**
   * Why the store lacks at least one guarantee. An example is `the store ignores If-None-Match`.
   * The reason is undefined if the store has both guarantees.
   */
  readonly reason: string | undefined
}

/** The guarantees of a client's store, if the client knows them. */
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

/** Makes an AskedGuarantees for a client that stores its guarantees itself. */
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
 * needs. A client without `guarantees` has a store with all guarantees.
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
 * Why a second primary could overwrite files of `client` before the client detects the second
 * primary. The reason is undefined if a second primary cannot overwrite files, or if the client
 * does not know the guarantees yet.
 */
export function weakFencing(client: Pick<ReplicaClient, 'guarantees'>): string | undefined {
  const known = client.guarantees?.known
  return known && !known.createOnly ? known.reason : undefined
}
