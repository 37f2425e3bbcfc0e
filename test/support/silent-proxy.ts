import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import type { TestContext } from 'node:test'
import { cleanUp } from './clean-up.js'

export interface SilentProxy {
  /** `127.0.0.1:<port>` */
  readonly address: string
  /**
   * From this call on, the proxy accepts connections and requests, but passes on no bytes in either
   * direction.
   */
  silence(): void
  /** From this call on, the proxy resets every connection, including the existing ones. */
  refuse(): void
  /**
   * Passes everything on again. Connections from before are reset, as what was swallowed is lost.
   */
  resume(): void
  /** Number of bytes that clients have sent to the silent proxy. */
  swallowed(): number
}

/**
 * A TCP proxy to `target` (`host:port`) that can fall silent, as a server does whose disk or whose
 * network hangs, or refuse.
 */
export async function startSilentProxy(t: Pick<TestContext, 'after'>, target: string): Promise<SilentProxy> {
  let [silent, refusing] = [false, false]
  let swallowed = 0
  const sockets = new Set<Socket>()
  const { hostname, port } = new URL(`tcp://${target}`)
  const keep = (socket: Socket) => {
    sockets.add(socket)
    socket.on('error', () => socket.destroy())
    socket.on('close', () => sockets.delete(socket))
  }
  const resetAll = () => {
    for (const socket of sockets) socket.resetAndDestroy()
  }
  const server = createServer((client) => {
    keep(client)
    if (refusing) {
      client.resetAndDestroy()
      return
    }
    const upstream = connect(Number(port), hostname)
    keep(upstream)
    client.on('data', (data) => {
      if (silent) swallowed += data.length
      else upstream.write(data)
    })
    upstream.on('data', (data) => silent || client.write(data))
    client.on('close', () => upstream.destroy())
    upstream.on('close', () => client.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  cleanUp(t, async () => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    silence: () => {
      silent = true
    },
    refuse: () => {
      refusing = true
      resetAll()
    },
    resume: () => {
      silent = false
      refusing = false
      resetAll()
    },
    swallowed: () => swallowed,
  }
}
