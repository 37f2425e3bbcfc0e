import { LitestreamError } from '../../errors.js'
import { Secret } from '../../util/secret.js'
import { splitUserinfo, type UrlParts } from '../url-parts.js'
import type { NatsSettings } from './settings.js'

export interface NatsLocation {
  readonly type: 'nats'
  /** Address of the server as `host:port`. */
  readonly server: string
  /** Name of the bucket, or undefined if the settings contain the name instead. */
  readonly bucket: string | undefined
  /**
   * Prefix of object names, before `ltx/…`. The prefix has no slash at either end. The prefix may
   * be "", as in Litestream.
   */
  readonly prefix: string
  readonly settings: NatsSettings
}

const DEFAULT_SERVER = '127.0.0.1:4222'

/**
 * Checks that `bucket` is a valid name of a bucket. NATS derives the name of a stream from the name
 * of the bucket.
 */
export function checkNatsBucket(bucket: string, where: string, quote: UrlParts['quote'] = JSON.stringify): void {
  if (/^[a-zA-Z0-9_-]{1,240}$/.test(bucket)) return
  throw new LitestreamError(
    'INVALID_URL',
    `${where}: ${quote(bucket)} cannot be the name of a NATS object store bucket`,
    {
      hint: 'Use a bucket name of at most 240 letters, digits, "-" and "_".',
    },
  )
}

export function parseNatsUrl(parts: UrlParts): NatsLocation {
  const { display, params } = parts
  const settings: NatsSettings = {
    ...userOf(parts.userinfo, display),
    tls: params.boolean('tls'),
    creds: params.string('creds'),
    rootCas: params.parsed('rootCas', (value) => value.split(',')),
    clientCert: params.string('clientCert'),
    clientKey: params.string('clientKey'),
    skipVerify: params.boolean('skipVerify'),
    createBucket: params.boolean('createBucket'),
  }
  const bucketParameter = params.string('bucket')
  params.rejectRest()

  const host = parts.host === undefined || parts.host === '' ? DEFAULT_SERVER : parts.host
  const match = /^(\[[0-9a-fA-F:.]+\]|[^:]+)(?::([0-9]+))?$/.exec(host)
  const port = Number(match?.[2] ?? 4222)
  if (match === null || port < 1 || port > 65535) {
    throw new LitestreamError('INVALID_URL', `${display}: ${parts.quote(host)} is not a host with a port`, {
      hint: 'Write the replica URL as nats://HOST:4222/BUCKET/PREFIX.',
    })
  }

  const [first, ...prefix] = parts.path.split('/').filter((part) => part !== '')
  if (first !== undefined && bucketParameter !== undefined && first !== bucketParameter) {
    throw new LitestreamError(
      'INVALID_URL',
      `${display}: the bucket is ${parts.quote(first)} in the path and ${parts.quote(bucketParameter)} in the query`,
      { hint: 'Remove the parameter `bucket`.' },
    )
  }
  const bucket = first ?? bucketParameter
  if (bucket !== undefined) checkNatsBucket(bucket, display, parts.quote)
  return { type: 'nats', server: `${match[1]}:${port}`, bucket, prefix: prefix.join('/'), settings }
}

function userOf(userinfo: string | undefined, display: string): NatsSettings {
  if (userinfo === undefined) return {}
  const { user, password } = splitUserinfo(userinfo, display)
  return password === undefined ? { token: new Secret(user) } : { username: user, password }
}
