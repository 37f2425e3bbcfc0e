import path from 'node:path'
import type { TestContext } from 'node:test'
import { Chain } from '../../src/replica/worker/chain/chain.js'
import { Poller, type PollOutcome } from '../../src/replica/worker/chain/poller.js'
import type { LtxFileInfo, ReplicaClient } from '../../src/storage/replica-client.js'
import { History } from './history.js'
import type { Source } from './replica.js'

export interface StandingPoller {
  readonly chain: Chain
  poll(): Promise<PollOutcome>
}

/**
 * A poller whose state is that of the source now, and stays. `relistInterval`: of compacted levels,
 * ms.
 */
export async function pollerAt(client: ReplicaClient, relistInterval = 0): Promise<StandingPoller> {
  const { signal } = new AbortController()
  const chain = new Chain(client, signal)
  const state = await chain.load()
  const outcomes: PollOutcome[] = []
  const poller = new Poller({
    chain,
    client,
    interval: 3_600_000,
    idleInterval: 3_600_000,
    relistInterval,
    signal,
    state: () => state,
    onOutcome: (outcome) => outcomes.push(outcome),
  })
  return {
    chain,
    async poll() {
      await poller.pollNow()
      return outcomes.at(-1) as PollOutcome
    },
  }
}

/** Replaces the replica by a younger one with one more TXID. */
export async function beginAnew(
  t: TestContext,
  { client, directory, history }: Source,
  files: readonly LtxFileInfo[],
): Promise<void> {
  await client.delete(files)
  const other = new History(path.join(directory, 'other.db'), client)
  t.after(() => other.close())
  other.time = history.time
  for (let n = 0; n <= history.txid; n++) await other.commit(`CREATE TABLE other${n} (x)`)
}

/** The same client; `before` is awaited before each of its listings of a level. */
export function listening(client: ReplicaClient, before: (level: number) => unknown): ReplicaClient {
  return new Proxy(client, {
    get(target, name) {
      const member = Reflect.get(target, name, target)
      if (name !== 'list') return typeof member === 'function' ? member.bind(target) : member
      return async function* (...args: Parameters<ReplicaClient['list']>) {
        await before(args[0])
        yield* target.list(...args)
      }
    },
  })
}
