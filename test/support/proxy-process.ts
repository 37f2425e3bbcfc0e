import { fork } from 'node:child_process'
import { once } from 'node:events'
import type { ProxyCounts, SeenRequest } from './fault-proxy.js'
import type { Fault } from './faults.js'
import type { FaultMatch, ProxyCommand } from './proxy-child.js'

/** A fault proxy that runs in a child process. */
export interface ProxyProcess {
  readonly url: string
  counts(): Promise<ProxyCounts>
  seen(): Promise<readonly SeenRequest[]>
  reset(): Promise<void>
  latency(ms: number): Promise<void>
  /** Every so many GETs one is held back for so long; 0 ms: none any more. */
  slowGets(every: number, ms: number): Promise<void>
  /** The next `times` requests that match get the fault. */
  fault(fault: Fault, match?: FaultMatch, times?: number): Promise<RemoteFault>
  /** As if the server died: every connection is reset, new ones are refused, until `up`. */
  down(): Promise<void>
  up(): Promise<void>
  close(): Promise<void>
}

export interface RemoteFault {
  /** Number of requests that got the fault. */
  hits(): Promise<number>
  remove(): Promise<void>
}

type Unnumbered<T> = T extends unknown ? Omit<T, 'id'> : never

/**
 * A read through SQLite holds up the thread that it runs on until the store has answered, so a
 * proxy on the same thread would never answer; and its work would be timed as the reader's.
 */
export async function startProxyProcess(target: string): Promise<ProxyProcess> {
  const child = fork(new URL('./proxy-child.js', import.meta.url), [target], { execArgv: [] })
  const [{ url }] = (await once(child, 'message')) as [{ url: string }]
  const waiting = new Map<number, (result: unknown) => void>()
  let nextId = 1
  child.on('message', ({ id, result }: { id: number; result: unknown }) => {
    waiting.get(id)?.(result)
    waiting.delete(id)
  })
  const ask = <T>(command: Unnumbered<ProxyCommand>) =>
    new Promise<T>((resolve) => {
      const id = nextId++
      waiting.set(id, resolve as (result: unknown) => void)
      child.send({ ...command, id })
    })
  return {
    url,
    counts: () => ask<ProxyCounts>({ do: 'counts' }),
    seen: () => ask<readonly SeenRequest[]>({ do: 'seen' }),
    reset: () => ask<void>({ do: 'reset' }),
    latency: (ms) => ask<void>({ do: 'latency', ms }),
    slowGets: (every, ms) => ask<void>({ do: 'slowGets', every, ms }),
    async fault(fault, match = {}, times = 1) {
      const rule = await ask<number>({ do: 'fault', fault, match, times })
      return { hits: () => ask<number>({ do: 'hits', rule }), remove: () => ask<void>({ do: 'removeFault', rule }) }
    },
    down: () => ask<void>({ do: 'down' }),
    up: () => ask<void>({ do: 'up' }),
    async close() {
      const exited = once(child, 'exit')
      child.disconnect()
      await exited
    },
  }
}
