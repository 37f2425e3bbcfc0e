import { once } from 'node:events'
import { Agent, createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { pipeline } from 'node:stream/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { corrupted, cutAfter, type Fault, type FaultRule, laggingListing, trickled } from './faults.js'
import { kindOf, type RequestKind } from './request-kind.js'

/** One request that the proxy received. */
export interface SeenRequest {
  readonly kind: RequestKind
  readonly method: string
  /** Path and query of the request, as the client sent them. */
  readonly url: string
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
}

export interface ProxyCounts {
  /** Number of all requests, and number of requests of each kind. */
  readonly requests: number
  readonly kinds: Readonly<Partial<Record<RequestKind, number>>>
  /** Number of bytes of bodies. */
  readonly bytesToClient: number
  readonly bytesToServer: number
  /** Number of TCP connections that the proxy accepted. */
  readonly connections: number
  /** Highest number of requests that were in flight at one moment. */
  readonly maxConcurrent: number
  /**
   * Round trips: the longest chain of requests each of which began after the response to the
   * previous one had ended.
   */
  readonly rounds: number
  /**
   * Milliseconds of that chain: of each round trip, the request that took longest, from its arrival
   * to the end of its answer.
   */
  readonly roundTime: number
}

export interface FaultProxy {
  /** `http://127.0.0.1:<port>` (https with `tls`): use it as the S3 endpoint. */
  readonly url: string
  /** Since the start or the last `reset`. */
  counts(): ProxyCounts
  seen(): readonly SeenRequest[]
  /** Sets the counts and `seen` back to their initial values, and keeps faults and latency. */
  reset(): void
  /** Delay in milliseconds of every request before the proxy sends it to the server. */
  latency(ms: number): void
  /**
   * The next `times` requests that match get the fault. Returns the rule: `hits` counts, `remove()`
   * ends it.
   */
  fault(fault: Fault, options?: { match?: (request: SeenRequest) => boolean; times?: number }): FaultRule
  /**
   * Behaves as if the server had died: resets every connection and refuses new ones until `up` is
   * called.
   */
  down(): Promise<void>
  /** Listens again on the same port. */
  up(): Promise<void>
  close(): Promise<void>
}

export interface FaultProxyOptions {
  /** The real server, `http://host:port`. */
  readonly target: string
  /** Serve TLS with this key and certificate, in PEM. */
  readonly tls?: { readonly key: string; readonly cert: string }
}

/**
 * An HTTP proxy in front of a real S3 server, on 127.0.0.1: counts requests, and injects faults on
 * command. The Host header is passed unchanged, because the client has signed it and the server
 * verifies the signature.
 */
export async function startFaultProxy({ target, tls }: FaultProxyOptions): Promise<FaultProxy> {
  const { hostname, port: targetPort } = new URL(target)
  const agent = new Agent({ keepAlive: true })
  const sockets = new Set<Socket>()
  let rules: { rule: FaultRule; match: (request: SeenRequest) => boolean; left: number }[] = []
  let latency = 0
  let active = 0
  let seen: SeenRequest[] = []
  let totals = { bytesToClient: 0, bytesToServer: 0, connections: 0, maxConcurrent: 0, rounds: 0 }
  /**
   * The longest chain that has ended: of each of its round trips, milliseconds of the longest
   * request.
   */
  let endedRounds: number[] = []

  const takeFault = (request: SeenRequest): Fault | undefined => {
    const found = rules.find(({ left, match }) => left > 0 && match(request))
    if (found === undefined) return undefined
    found.left -= 1
    found.rule.hits += 1
    return found.rule.fault
  }

  const handle = async (req: IncomingMessage, res: ServerResponse): Promise<void> => {
    const method = req.method ?? 'GET'
    const url = req.url ?? '/'
    const entry: SeenRequest = { kind: kindOf(method, url), method, url, headers: req.headers }
    seen.push(entry)
    const fault = takeFault(entry)
    if (latency > 0) await delay(latency)
    switch (fault?.type) {
      case 'refuse':
        req.socket.destroy()
        return
      case 'blackhole':
        req.resume()
        return
      case 'status': {
        // A server that sheds load does so before it has the body, but it must take the body all
        // the same.
        req.resume()
        await once(req, 'end')
        const body = `<?xml version="1.0"?><Error><Code>${fault.code}</Code><Message>injected</Message><RequestId>proxy-${seen.length}</RequestId></Error>`
        res.writeHead(fault.status, {
          ...fault.headers,
          'content-type': 'application/xml',
          'x-amz-request-id': `proxy-${seen.length}`,
        })
        res.end(method === 'HEAD' ? '' : body)
        return
      }
      case 'late': {
        const body = Buffer.concat(await req.toArray())
        req.socket.destroy()
        await delay(fault.ms)
        const late = request({ hostname, port: targetPort, method, path: url, headers: rawHeaders(req) })
        late.on('response', (reply) => reply.resume())
        late.on('error', () => late.destroy())
        late.end(body)
        return
      }
      case 'slowStart':
        await delay(fault.ms)
    }

    const upstream = request({ hostname, port: targetPort, method, path: url, headers: rawHeaders(req), agent })
    res.once('close', () => upstream.destroy())
    upstream.on('error', () => res.destroy())
    // Not awaited: a server may answer before it has the whole body.
    void upload(req, upstream, fault)
    const [reply] = (await once(upstream, 'response')) as [IncomingMessage]
    if (fault?.type === 'loseReply') {
      reply.resume()
      req.socket.destroy()
      return
    }
    await answer(reply, res, fault)
  }

  const upload = async (req: IncomingMessage, upstream: ReturnType<typeof request>, fault: Fault | undefined) => {
    const counted = async function* () {
      for await (const chunk of req) {
        totals.bytesToServer += chunk.length
        yield chunk
      }
    }
    try {
      await pipeline(fault?.type === 'cutUpload' ? cutAfter(counted(), fault.bytes) : counted(), upstream)
    } catch {
      req.destroy() // and its connection
      upstream.destroy()
    }
  }

  const answer = async (reply: IncomingMessage, res: ServerResponse, fault: Fault | undefined) => {
    const headers = pairs(reply.rawHeaders)
    let body: AsyncIterable<Buffer> = reply
    if (fault?.type === 'cut') body = cutAfter(reply, fault.bytes)
    else if (fault?.type === 'trickle') body = trickled(reply, fault.bytes, fault.ms)
    else if (fault?.type === 'corrupt') body = corrupted(reply, fault.at)
    else if (fault?.type === 'shorten' || fault?.type === 'lag') {
      // A complete, well-formed response with fewer bytes than requested.
      const all = Buffer.concat(await reply.toArray())
      const short =
        fault.type === 'lag'
          ? Buffer.from(laggingListing(all.toString(), fault.keys))
          : all.subarray(0, Math.max(0, all.length - fault.bytes))
      for (const pair of headers) if (pair[0].toLowerCase() === 'content-length') pair[1] = String(short.length)
      body = (async function* () {
        yield short
      })()
    }
    const counted = async function* () {
      for await (const chunk of body) {
        totals.bytesToClient += chunk.length
        yield chunk
      }
    }
    res.writeHead(reply.statusCode ?? 502, headers.flat())
    res.flushHeaders()
    await pipeline(counted(), res)
  }

  const onRequest = (req: IncomingMessage, res: ServerResponse) => {
    active += 1
    totals.maxConcurrent = Math.max(totals.maxConcurrent, active)
    const since = totals
    const arrived = performance.now()
    const round = endedRounds.length
    totals.rounds = Math.max(totals.rounds, round + 1)
    res.once('close', () => {
      active--
      // One that was under way at a reset is in no chain that began after it.
      if (since === totals) endedRounds[round] = Math.max(endedRounds[round] ?? 0, performance.now() - arrived)
    })
    // Broken connections on either side are the purpose of this proxy: the other side sees a reset
    // connection.
    handle(req, res).catch(() => res.destroy())
  }
  const server = tls === undefined ? createServer(onRequest) : createTlsServer(tls, onRequest)
  server.keepAliveTimeout = 60_000
  server.on('connection', (socket: Socket) => {
    totals.connections += 1
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  const listen = async (port: number) => {
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
  }
  await listen(0)
  const { port } = server.address() as AddressInfo

  const down = async () => {
    const closed = once(server, 'close')
    server.close()
    // A socket that is already ending cannot be reset, and Node 20 would never end after trying.
    for (const socket of sockets) {
      if (socket.writableEnded) socket.destroy()
      else socket.resetAndDestroy()
    }
    await closed
  }
  return {
    url: `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}`,
    counts() {
      const kinds: Partial<Record<RequestKind, number>> = {}
      for (const { kind } of seen) kinds[kind] = (kinds[kind] ?? 0) + 1
      return { requests: seen.length, kinds, ...totals, roundTime: endedRounds.reduce((sum, ms) => sum + ms, 0) }
    },
    seen: () => [...seen],
    reset() {
      seen = []
      totals = { bytesToClient: 0, bytesToServer: 0, connections: 0, maxConcurrent: active, rounds: 0 }
      endedRounds = []
    },
    latency(ms) {
      latency = ms
    },
    fault(fault, { match = () => true, times = 1 } = {}) {
      const rule: FaultRule = {
        fault,
        hits: 0,
        remove: () => {
          rules = rules.filter((entry) => entry.rule !== rule)
        },
      }
      rules.push({ rule, match, left: times })
      return rule
    },
    down,
    up: () => listen(port),
    async close() {
      if (server.listening) await down()
      agent.destroy()
    },
  }
}

function pairs(raw: readonly string[]): [string, string][] {
  return Array.from({ length: raw.length / 2 }, (_, i) => [raw[2 * i]!, raw[2 * i + 1]!])
}

/** As sent, in order and spelling, without what concerns only this hop. */
function rawHeaders(req: IncomingMessage): string[] {
  return pairs(req.rawHeaders)
    .filter(([name]) => !/^(connection|expect)$/i.test(name))
    .flat()
}
