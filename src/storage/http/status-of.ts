import type { ClientRequest, IncomingMessage } from 'node:http'
import { LitestreamError } from '../../errors.js'
import { networkFailure } from '../network-errors.js'
import { type Connections, certificateHint, connectionsTo } from './agents.js'
import type { ProxyServer } from './proxy.js'

/** Maximum number of redirections that a request follows. */
const MAX_REDIRECTIONS = 10

export interface AnsweredStatus {
  readonly status: number
  readonly proxy: ProxyServer | undefined
}

/**
 * Sends a GET of `url` and returns the status of the response. The body of the response is not
 * read. Supports proxies and files of certificate authorities, and follows redirections. Throws
 * UNAVAILABLE, or ACCESS_DENIED if the certificate is refused or the proxy refuses the connection.
 */
export async function statusOf(url: URL, signal: AbortSignal): Promise<AnsweredStatus> {
  let target = url
  for (let redirections = 0; ; redirections++) {
    const connections = await connectionsTo(target)
    try {
      const { statusCode = 0, headers } = await get(target, connections, signal)
      const next = statusCode >= 300 && statusCode < 400 ? headers.location : undefined
      const followed = next !== undefined && URL.canParse(next, target.href) ? new URL(next, target) : undefined
      if (followed === undefined || !/^https?:$/.test(followed.protocol) || redirections === MAX_REDIRECTIONS) {
        return { status: statusCode, proxy: connections.proxy }
      }
      target = followed
    } catch (error) {
      throw unreachable(target, connections, error)
    } finally {
      connections.agent.destroy()
    }
  }
}

async function get(url: URL, { agent }: Connections, signal: AbortSignal): Promise<IncomingMessage> {
  const { request } = url.protocol === 'https:' ? await import('node:https') : await import('node:http')
  return new Promise((resolve, reject) => {
    const sent: ClientRequest = request(url, { agent, signal, headers: { 'user-agent': 'litestream-ts' } }, (reply) => {
      reply.on('error', () => undefined)
      reply.destroy()
      resolve(reply)
    })
    sent.once('error', reject)
    sent.end()
  })
}

function unreachable(url: URL, connections: Connections, cause: unknown): LitestreamError {
  const { message } = cause as Error
  const failure = networkFailure(cause, certificateHint(connections))
  const through = connections.proxy === undefined ? '' : `, through the proxy ${connections.proxy.shown}`
  return new LitestreamError(failure?.code ?? 'UNAVAILABLE', `${url.origin} cannot be reached${through}: ${message}`, {
    cause,
    hint: failure?.hint ?? 'Check the URL, and check that this machine can reach the server.',
  })
}
