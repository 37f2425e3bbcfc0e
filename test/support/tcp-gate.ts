import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import type { TestContext } from 'node:test'
import { cleanUp } from './clean-up.js'

/** Connections to a server, of any protocol, that can be stopped in the middle. */
export interface TcpGate {
  readonly port: number
  /**
   * From now on lets so many bytes through to the server, and no more: the clients wait as for a
   * network that is stuck. Resolves when that many have passed.
   */
  holdAfter(bytes: number): Promise<void>
  /** Ends all connections; new ones pass without a limit. */
  open(): void
}

/** `port`: the gate's own; default: any free one. */
export async function startTcpGate(t: TestContext, target: { host: string; port: number }, port = 0): Promise<TcpGate> {
  const sockets = new Set<Socket>()
  let left = Number.POSITIVE_INFINITY
  let held: () => void = () => undefined
  const server = createServer((client) => {
    const to = connect(target.port, target.host)
    for (const socket of [client, to]) {
      sockets.add(socket)
      socket.on('error', () => undefined)
      socket.once('close', () => {
        sockets.delete(socket)
        client.destroy()
        to.destroy()
      })
    }
    to.pipe(client)
    client.on('data', (bytes) => {
      const passed = bytes.subarray(0, Math.min(left, bytes.length))
      left -= passed.length
      if (passed.length > 0 && !to.write(passed)) {
        client.pause()
        to.once('drain', () => left > 0 && client.resume())
      }
      if (left > 0) return
      client.pause()
      held()
    })
    client.once('end', () => to.end())
  })
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  const open = () => {
    left = Number.POSITIVE_INFINITY
    for (const socket of sockets) socket.destroy()
  }
  cleanUp(t, () => {
    open()
    server.close()
  })
  return {
    port: (server.address() as AddressInfo).port,
    holdAfter: (bytes) => {
      left = bytes
      return new Promise((resolve) => {
        held = resolve
      })
    },
    open,
  }
}
