// Run by startProxyProcess: a fault proxy that obeys the messages of its parent and dies with it.
import { type SeenRequest, startFaultProxy } from './fault-proxy.js'
import type { FaultRule } from './faults.js'

export type ProxyCommand =
  | { readonly id: number; readonly do: 'counts' | 'seen' | 'reset' }
  | { readonly id: number; readonly do: 'latency'; readonly ms: number }
  | { readonly id: number; readonly do: 'slowGets'; readonly every: number; readonly ms: number }

const proxy = await startFaultProxy({ target: process.argv[2]! })
let slow: FaultRule | undefined
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
process.on('message', (command: ProxyCommand) => process.send!({ id: command.id, result: run(command) }))
process.on('disconnect', () => process.exit(0))
process.send!({ url: proxy.url })
