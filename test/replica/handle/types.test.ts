// Nothing here runs: the compiler is the test. What must not compile is marked, and fails the build should it compile one day.
import { test } from 'node:test'
import type { LitestreamError, Replica, ReplicaMoment, ReplicaStats } from '../../../src/index.js'
import { type getLoadablePath, load, openReplica } from '../../../src/index.js'

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
function holds<_T extends true>(): void {}

export async function usage(replica: Replica): Promise<void> {
  holds<Equal<typeof replica.uri, string>>()
  holds<Equal<typeof replica.txid, number>>()
  holds<Equal<typeof replica.timestamp, Date>>()
  holds<Equal<typeof replica.lagMs, number>>()
  holds<Equal<ReturnType<typeof replica.whenHydrated>, Promise<void>>>()
  holds<Equal<ReturnType<typeof replica.stats>, ReplicaStats>>()
  holds<Equal<ReturnType<typeof replica.refresh>, Promise<number>>>()
  holds<Equal<ReturnType<typeof replica.at>, Promise<ReplicaMoment>>>()
  replica.on('advance', ({ txid, timestamp }) => {
    holds<Equal<typeof txid, number>>()
    holds<Equal<typeof timestamp, Date>>()
  })
  for (const event of ['stale', 'gap', 'reset', 'error'] as const) {
    replica.on(event, (error) => holds<Equal<typeof error, LitestreamError>>())
  }
  replica.on('hydrated', ({ path }) => holds<Equal<typeof path, string>>())
  await replica.at({ txid: 7 })
  await replica.at({ timestamp: new Date() })
  await replica.at({ timestamp: '5 minutes ago' }, { signal: AbortSignal.timeout(1) })
  await replica.refresh({ signal: AbortSignal.timeout(1) })
  holds<Equal<ReturnType<typeof replica.close>, Promise<void>>>()
  holds<Equal<ReturnType<(typeof replica)[typeof Symbol.asyncDispose]>, Promise<void>>>()
  holds<Equal<ReturnType<typeof getLoadablePath>, string>>()
  await replica.prefetch('SELECT 1', { parameters: [1], signal: AbortSignal.timeout(1) })
  await using opened = await openReplica('file:///x', { cacheSize: '64MiB', maxStale: 5000, hydrate: '/x' })
  void opened
  load({ loadExtension: (path: string) => path })

  // @ts-expect-error a TXID is a number
  await replica.at(7n)
  // @ts-expect-error no such event
  replica.on('advanced', () => {})
  // @ts-expect-error no such option
  await openReplica('file:///x', { cacheSizes: 1 })
  // @ts-expect-error read-only
  replica.uri = 'x'
  // @ts-expect-error made by openReplica, whose result it is
  replica.stats().hits = 1
}

test('the types of the package accept correct code and reject incorrect code', () => {})
