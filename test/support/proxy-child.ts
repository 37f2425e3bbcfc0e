// Run by startProxyProcess: a fault proxy that obeys the messages of its parent and dies with it.
import { startFaultProxy } from './fault-proxy.js'

export type ProxyCommand =
  | { readonly id: number; readonly do: 'counts' | 'seen' | 'reset' }
  | { readonly id: number; readonly do: 'latency'; readonly ms: number }

const proxy = await startFaultProxy({ target: process.argv[2]! })
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
  }
}
process.on('message', (command: ProxyCommand) => process.send!({ id: command.id, result: run(command) }))
process.on('disconnect', () => process.exit(0))
process.send!({ url: proxy.url })
