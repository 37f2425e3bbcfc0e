// The stores of a history. Each process gets a way of its own to the store, so that a partition
// separates one process and not the others.
import { randomUUID } from 'node:crypto'
import type { TestContext } from 'node:test'
import { pathToFileURL } from 'node:url'
import { cleanUp } from '../support/clean-up.js'
import { startFaultProxy } from '../support/fault-proxy.js'
import type { Fault } from '../support/faults.js'
import { natsServerUrl } from '../support/nats.js'
import type { Random } from '../support/random.js'
import { s3Bucket, s3Server, s3Url } from '../support/s3.js'
import { startSilentProxy } from '../support/silent-proxy.js'

export type Scope = Pick<TestContext, 'after'>

export const STORES = ['file', 's3', 'nats'] as const
export type StoreName = (typeof STORES)[number]

/** The way of one process to the store. */
export interface Way {
  readonly url: string
  /** Disturbs the way until `restore` is called. Returns what it does; undefined: it cannot. */
  disturb(random: Random): string | undefined
  restore(): void
}

export interface Place {
  /** Without a proxy. */
  readonly url: string
  /** The same for the released program, which takes no credentials from a URL. */
  readonly official: { readonly url: string; readonly env: Readonly<Record<string, string>> }
  way(): Promise<Way>
}

/** An empty replica in a store; `directory`: of the history. */
export async function placeIn(t: Scope, store: StoreName, directory: string): Promise<Place> {
  if (store === 'file') return filePlace(directory)
  return store === 's3' ? s3Place(t) : natsPlace(t)
}

function filePlace(directory: string): Place {
  const { href } = pathToFileURL(`${directory}/replica`)
  const way = { url: href, disturb: () => undefined, restore: () => undefined }
  return { url: href, official: { url: href, env: {} }, way: async () => way }
}

/** Each lasts until it is taken back. */
const S3_FAULTS: readonly Fault[] = [
  { type: 'blackhole' },
  { type: 'refuse' },
  { type: 'loseReply' },
  { type: 'cutUpload', bytes: 100 },
  { type: 'cut', bytes: 50 },
  { type: 'slowStart', ms: 700 },
  { type: 'late', ms: 400 },
  { type: 'status', status: 500, code: 'InternalError' },
  { type: 'status', status: 503, code: 'SlowDown' },
  { type: 'status', status: 403, code: 'AccessDenied' },
]

async function s3Place(t: Scope): Promise<Place> {
  const bucket = await s3Bucket({ after: (step: unknown) => cleanUp(t, step as () => unknown) } as Scope)
  const { endpoint, accessKeyId, secretAccessKey } = s3Server()
  return {
    url: s3Url(bucket),
    official: {
      url: `s3://${bucket}/app.db?endpoint=${encodeURIComponent(endpoint)}&region=us-east-1&forcePathStyle=true`,
      env: { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey },
    },
    async way() {
      const proxy = await startFaultProxy({ target: endpoint })
      cleanUp(t, () => proxy.close())
      let remove = () => {}
      return {
        url: s3Url(bucket, 'app.db', proxy.url),
        disturb(random) {
          const fault = random.pick(S3_FAULTS)
          // Only uploads, or everything; PUTs go to commits and to the lease.
          const onlyPuts = random.chance(0.5)
          const match = ({ method }: { readonly method: string }) => !onlyPuts || method === 'PUT'
          remove = proxy.fault(fault, { match, times: Number.POSITIVE_INFINITY }).remove
          return `${fault.type === 'status' ? fault.status : fault.type}${onlyPuts ? ' for PUT' : ''}`
        },
        restore: () => remove(),
      }
    },
  }
}

async function natsPlace(t: Scope): Promise<Place> {
  const server = new URL(natsServerUrl())
  const bucket = `histories-${randomUUID()}`
  const url = (host: string) => {
    const login = server.username ? `${server.username}:${server.password}@` : ''
    return `nats://${login}${host}/${bucket}`
  }
  return {
    url: `${url(server.host)}?createBucket=true`,
    official: { url: url(server.host), env: {} },
    async way() {
      const proxy = await startSilentProxy(t, server.host)
      return {
        url: `${url(proxy.address)}?createBucket=true`,
        disturb(random) {
          const isSilent = random.chance(0.7)
          if (isSilent) proxy.silence()
          else proxy.refuse()
          return isSilent ? 'silence' : 'refuse'
        },
        restore: () => proxy.resume(),
      }
    },
  }
}
