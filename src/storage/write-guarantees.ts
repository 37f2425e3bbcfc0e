import { LitestreamError } from '../errors.js'
import type { ReplicaClient, RequestOptions } from './replica-client.js'

/** The guarantees of a store for several writers of one name. */
export interface WriteGuarantees {
  /** If several clients create one name, exactly one of them succeeds. */
  readonly createOnly: boolean
  /** `putObject` replaces exactly the version that the writer knows. */
  readonly compareAndSet: boolean
  /**
   * Why one of the two is missing, such as `the store ignores If-None-Match`; undefined if both
   * exist.
   */
  readonly reason: string | undefined
}

/** The guarantees of a client's store, as far as the client knows them. */
export interface AskedGuarantees {
  /** Undefined before the first conditional write, and before `ask`. */
  readonly known: WriteGuarantees | undefined
  /** Determines the guarantees once, with requests to the store if necessary. */
  ask(options?: RequestOptions): Promise<WriteGuarantees>
}

/** The answers of a client that keeps its guarantees itself. */
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
 * Throws STORAGE_FAILED, with the reason, if the store of `client` lacks a guarantee that `what`
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
      ? 'Do without this feature, or remove `write-once` from the replica.'
      : 'Use a store that enforces If-None-Match and If-Match on PUT (docs/storage.md lists them), or do without this feature.',
  })
}

/**
 * Why another primary could overwrite the files of `client`, so that it is detected only
 * afterwards; undefined if it cannot, and while that is unknown.
 */
export function weakFencing(client: Pick<ReplicaClient, 'guarantees'>): string | undefined {
  const known = client.guarantees?.known
  return known && !known.createOnly ? known.reason : undefined
}
