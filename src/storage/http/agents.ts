import type { Agent as HttpAgent } from 'node:http'
import type { Agent as HttpsAgent } from 'node:https'
import type { Socket } from 'node:net'
import type { SecureContext } from 'node:tls'
import { authorities } from './authorities.js'
import { areConnectionsShared } from './connection-sharing.js'
import { type ProxyServer, proxyFor } from './proxy.js'

export interface ConnectionSettings {
  /**
   * A PEM file with certificate authorities. The client trusts these authorities in addition to the
   * authorities of Node.js.
   */
  readonly caFile?: string | undefined
  /** Whether the client accepts any TLS certificate. */
  readonly skipVerify?: boolean | undefined
  /** Maximum number of connections to one host. */
  readonly maxSockets?: number
}

export interface AgentSettings {
  readonly keepAlive: boolean
  readonly maxSockets: number
  readonly tls: { readonly secureContext?: SecureContext; readonly rejectUnauthorized: boolean }
}

/** The agent, proxy and certificate authorities for requests to one host. */
export interface Connections {
  /** An http or https agent, depending on the protocol of the target URL. */
  readonly agent: HttpAgent | HttpsAgent
  readonly proxy: ProxyServer | undefined
  /**
   * The additional certificate authorities as text for messages, or undefined if the client trusts
   * only those of Node.js.
   */
  readonly authorities: string | undefined
}

/**
 * Creates an agent for requests to `target`. The agent supports proxies (proxyFor), files of
 * certificate authorities (authorities) and `skipVerify`. Throws CONFIG_INVALID for invalid
 * environment variables and unusable certificate files.
 */
export async function connectionsTo(target: URL, settings: ConnectionSettings = {}): Promise<Connections> {
  const { caFile, skipVerify = false, maxSockets = Number.POSITIVE_INFINITY } = settings
  const secure = target.protocol === 'https:'
  const proxy = proxyFor(target)
  const trusted = (secure || proxy?.url.protocol === 'https:') && !skipVerify ? await authorities(caFile) : undefined
  const tls = { ...(trusted && { secureContext: trusted.context }), rejectUnauthorized: !skipVerify }
  const agentSettings: AgentSettings = { keepAlive: true, maxSockets, tls }
  return { agent: await makeAgent(secure, proxy, agentSettings), proxy, authorities: trusted?.shown }
}

/** Maximum number of idle connections that a shared agent keeps open. */
const SHARED_IDLE = 64
/**
 * Maximum number of connections of a shared agent to one host. The merges and uploads that can run
 * at the same time need fewer connections. Each merge needs at most MAX_INPUTS
 * (compaction/compact.ts) connections. A merge therefore never waits for a connection that another
 * merge occupies.
 */
const SHARED_MOST = 4096

const shared: { readonly key: string; readonly context: SecureContext | undefined; readonly agent: Agent }[] = []

async function makeAgent(secure: boolean, proxy: ProxyServer | undefined, settings: AgentSettings): Promise<Agent> {
  if (!areConnectionsShared()) return newAgent(secure, proxy, settings)
  const { tls, maxSockets } = settings
  const key = JSON.stringify([secure, proxy?.url.href, tls.rejectUnauthorized])
  const is = (each: (typeof shared)[number]) => each.key === key && each.context === tls.secureContext
  const most = Math.max(SHARED_MOST, Number.isFinite(maxSockets) ? maxSockets : 0)
  const agent = shared.find(is)?.agent ?? (await newAgent(secure, proxy, { ...settings, maxSockets: most }))
  // Another client may have created the same shared agent while newAgent() was loading its modules.
  const there = shared.find(is)
  if (there) return there.agent
  agent.maxFreeSockets = SHARED_IDLE
  // No client destroys the shared agent, because other clients use it too. Each client ends its own
  // requests, and an idle connection does not keep the process alive.
  agent.destroy = () => {}
  shared.push({ key, context: tls.secureContext, agent })
  return agent
}

type Agent = HttpAgent | HttpsAgent

async function newAgent(secure: boolean, proxy: ProxyServer | undefined, settings: AgentSettings): Promise<Agent> {
  const { tls, ...plain } = settings
  if (proxy !== undefined) {
    const { ForwardAgent, TunnelAgent } = await import('./proxy-agents.js')
    return secure ? new TunnelAgent(proxy, settings) : new ForwardAgent(proxy, settings)
  }
  if (!secure) {
    const { Agent } = await import('node:http')
    return new Agent(plain)
  }
  const [{ Agent }, { nameRefusedCertificate }] = await Promise.all([
    import('node:https'),
    import('./peer-certificate.js'),
  ])
  const agent = new Agent({ ...plain, ...tls })
  const connect = agent.createConnection.bind(agent)
  agent.createConnection = (options, callback) => {
    const socket = connect(options, callback) as Socket
    const { host, port } = options as { readonly host?: string; readonly port?: number }
    nameRefusedCertificate(socket, `${host}:${port}`)
    return socket
  }
  return agent
}

/** Returns the hint for an error about a refused server certificate. */
export function certificateHint({ authorities: shown }: Pick<Connections, 'authorities'>): string {
  const where =
    shown === undefined
      ? 'Set `ca-file`, or the environment variable AWS_CA_BUNDLE, SSL_CERT_FILE or NODE_EXTRA_CA_CERTS, to a PEM file with the authority that signed the certificate'
      : `Add the authority that signed the certificate to the file of ${shown}`
  return `${where}, or correct the host of the endpoint. For tests, \`skip-verify: true\` accepts any certificate.`
}
