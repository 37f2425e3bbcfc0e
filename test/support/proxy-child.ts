// Run by startProxyProcess: a fault proxy that obeys the messages of its parent and dies with it.
import { type SeenRequest, startFaultProxy } from './fault-proxy.js'
import type { Fault, FaultRule } from './faults.js'
import type { RequestKind } from './request-kind.js'

export type ProxyCommand =
  | { readonly id: number; readonly do: 'counts' | 'seen' | 'reset' }
  | { readonly id: number; readonly do: 'latency'; readonly ms: number }
  | { readonly id: number; readonly do: 'slowGets'; readonly every: number; readonly ms: number }
  | {
      readonly id: number
      readonly do: 'fault'
      readonly fault: Fault
      readonly match: FaultMatch
      readonly times: number
    }
  | { readonly id: number; readonly do: 'hits' | 'removeFault'; readonly rule: number }
  | { readonly id: number; readonly do: 'down' | 'up' }

/** Requests that a fault is for: of this kind, with this in their URL; without either, all. */
export interface FaultMatch {
  readonly kind?: RequestKind
  readonly url?: string
}

const proxy = await startFaultProxy({ target: process.argv[2]! })
let slow: FaultRule | undefined
const rules: FaultRule[] = []
const run = (command: ProxyCommand): unknown => {
  switch (command.do) {
    case 'counts':
      return proxy.counts()
    case 'seen':
      return proxy.seen()
    case 'reset':
      return proxy.reset()
    case 'latency':
      return proxy.latency(command.ms)
    case 'down':
      return proxy.down()
    case 'up':
      return proxy.up()
    case 'fault': {
      const { kind, url } = command.match
      const match = (seen: SeenRequest) => (!kind || seen.kind === kind) && (!url || seen.url.includes(url))
      return rules.push(proxy.fault(command.fault, { match, times: command.times })) - 1
    }
    case 'hits':
      return rules[command.rule]!.hits
    case 'removeFault':
      return rules[command.rule]!.remove()
    case 'slowGets': {
      slow?.remove()
      let gets = 0
      const match = ({ kind }: SeenRequest) => kind === 'GET' && ++gets % command.every === 0
      slow =
        command.ms === 0 ? undefined : proxy.fault({ type: 'slowStart', ms: command.ms }, { match, times: Infinity })
      return undefined
    }
  }
}
process.on('message', async (command: ProxyCommand) => process.send!({ id: command.id, result: await run(command) }))
process.on('disconnect', () => process.exit(0))
process.send!({ url: proxy.url })
