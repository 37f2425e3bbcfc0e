// Node.js loads proxy-agents.ts only if a request uses a proxy.
import type { ClientRequest } from 'node:http'
import type { Socket } from 'node:net'
import { HttpProxyAgent } from 'http-proxy-agent'
import { HttpsProxyAgent } from 'https-proxy-agent'
import type { AgentSettings } from './agents.js'
import { nameRefusedCertificate } from './peer-certificate.js'
import type { ProxyServer } from './proxy.js'
import { ProxyFault } from './proxy-fault.js'

type TunnelOptions = Parameters<HttpsProxyAgent<string>['connect']>[1]
type ForwardedRequest = Parameters<HttpProxyAgent<string>['connect']>[0]
type ForwardOptions = Parameters<HttpProxyAgent<string>['connect']>[1]

/**
 * The agent for https requests. The agent opens a tunnel through the proxy (CONNECT), and connects
 * with TLS to the store inside the tunnel.
 */
export class TunnelAgent extends HttpsProxyAgent<string> {
  readonly #proxy: ProxyServer
  readonly #tls: AgentSettings['tls']

  constructor(proxy: ProxyServer, { tls, ...settings }: AgentSettings) {
    // The agent uses the same certificate authorities for the store and for a proxy with an https
    // URL.
    super(proxy.url, { ...settings, ...tls })
    this.#proxy = proxy
    this.#tls = tls
  }

  override async connect(request: ClientRequest, options: TunnelOptions): Promise<Socket> {
    const host = `${options.host}:${options.port}`
    let answer: { readonly statusCode: number; readonly statusText: string } | undefined
    request.once('proxyConnect', (connect) => {
      answer = connect
    })
    let socket: Socket
    try {
      socket = await super.connect(request, { ...options, ...this.#tls })
    } catch (error) {
      throw ProxyFault.unreachable(this.#proxy, error)
    }
    if (answer !== undefined && answer.statusCode !== 200) {
      socket.destroy()
      throw ProxyFault.refused(this.#proxy, host, answer.statusCode, answer.statusText)
    }
    nameRefusedCertificate(socket, host)
    return socket
  }
}

/** The agent for http requests. The agent sends requests with absolute URLs to the proxy. */
export class ForwardAgent extends HttpProxyAgent<string> {
  readonly #proxy: ProxyServer

  constructor(proxy: ProxyServer, { tls, ...settings }: AgentSettings) {
    // Opens a new connection for each request, because some proxies (tinyproxy) close a connection
    // after a response without announcing the end. A request that reuses a connection which the
    // proxy has already closed would be lost.
    super(proxy.url, { ...settings, ...tls, keepAlive: false })
    this.#proxy = proxy
  }

  /**
   * Sends the path exactly as it was signed. A URL object would remove "." and ".." from the path.
   */
  override setRequestProps(request: ForwardedRequest, options: ForwardOptions): void {
    const { path } = request
    super.setRequestProps(request, options)
    request.path = `http://${request.getHeader('host')}${path}`
  }

  override async connect(request: ForwardedRequest, options: ForwardOptions): Promise<Socket> {
    try {
      return await super.connect(request, options)
    } catch (error) {
      throw ProxyFault.unreachable(this.#proxy, error)
    }
  }
}
