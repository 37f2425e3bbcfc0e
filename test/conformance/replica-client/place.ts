import type { TestContext } from 'node:test'
import type { ReplicaClient } from '../../../src/storage/replica-client.js'

/** A kind of store, as the suite needs it. */
export interface Backend {
  /** As `docs/storage.md` heads its column: file, s3, nats. */
  readonly name: ReplicaClient['type'] | 'encrypted file' | `s3 of ${string}`
  /**
   * Precision in milliseconds of the time that `stat` reports for content that is not an LTX file;
   * default 1. Infinity: none.
   */
  readonly timePrecision?: number
  /** A location used only by the test, removed when the test ends. */
  makePlace(t: TestContext): Promise<Place>
  /**
   * Whether the store of the test deletes an object whatever version the request names: a fault of
   * the emulator.
   */
  readonly ignoresVersionOfDelete?: boolean
  /** Files that are written while others list; default 300. */
  readonly files?: number
  /** Size of a large object in MiB; default 64. */
  readonly large?: number
  /** Listings of each reader while others write, and rounds of a race; default 20 and 8. */
  readonly rounds?: number
  /** Objects of the test of a crowded level. */
  readonly crowd: number
}

export interface Place {
  /**
   * A separate client for the replica at `path`, whose segments may contain any character except a
   * slash.
   */
  open(path: string): Promise<ReplicaClient>
  /**
   * Writes so many level 0 files of 64 bytes, from TXID 1 on, where a client would take too long:
   * behind its back.
   */
  fill?(path: string, count: number): void
}

/** Opens clients at a location and closes them when the test ends. */
export async function clientsAt(t: TestContext, backend: Backend): Promise<(path?: string) => Promise<ReplicaClient>> {
  return opener(t, await backend.makePlace(t))
}

export function opener(t: TestContext, place: Place): (path?: string) => Promise<ReplicaClient> {
  return async (path = 'app.db') => {
    const client = await place.open(path)
    t.after(() => client.close())
    return client
  }
}

/** Whether the store guarantees a condition of several writers. */
export async function isSure(client: ReplicaClient, guarantee: 'createOnly' | 'compareAndSet'): Promise<boolean> {
  return client.guarantees === undefined || (await client.guarantees.ask())[guarantee]
}
