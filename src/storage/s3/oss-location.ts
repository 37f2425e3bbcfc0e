import { LitestreamError } from '../../errors.js'
import { rememberSecret } from '../../util/redact.js'
import { reveal } from '../../util/secret.js'
import { mergedSettings } from '../merged-settings.js'
import type { UrlParts } from '../url-parts.js'
import { type BucketLocation, keyPath, keysOf, takeSettings } from './location.js'
import type { S3Settings } from './settings.js'

/**
 * The location of a replica in Alibaba Cloud OSS. Alibaba Cloud OSS offers the S3 API, so the S3
 * client accesses it.
 */
export type OssLocation = BucketLocation<'oss'>

const DEFAULT_REGION = 'cn-hangzhou'

/**
 * Pattern of the host `BUCKET.oss-REGION[-internal].aliyuncs.com`. The host may also have the `s3.`
 * of the S3 interface before `oss-`.
 */
const HOST =
  /^(?<bucket>[a-z0-9][a-z0-9-]{1,62})\.(?:s3\.)?oss-(?<region>[a-z0-9-]+?)(?<internal>-internal)?\.aliyuncs\.com$/

/** Pattern of OSS's own endpoint for a region, which does not offer the S3 interface. */
const NATIVE_ENDPOINT = /^((?:https?:\/\/)?)(oss-[a-z0-9-]+\.aliyuncs\.com)\/?$/i

/**
 * Parses `oss://BUCKET/PATH` or `oss://BUCKET.oss-REGION[-internal].aliyuncs.com/PATH`. Throws
 * INVALID_URL.
 */
export function parseOssUrl(parts: UrlParts): OssLocation {
  const { display, params, host = '', userinfo } = parts
  const fromParams = takeSettings(params)
  params.rejectRest()
  const match = HOST.exec(host)
  const bucket = match?.groups?.bucket ?? host
  if (!/^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$/.test(bucket)) {
    throw new LitestreamError('INVALID_URL', `${display}: ${parts.quote(bucket)} cannot be the name of a bucket`, {
      hint: 'Write the replica URL as oss://BUCKET/PATH or oss://BUCKET.oss-REGION.aliyuncs.com/PATH.',
    })
  }
  const { region, internal = '' } = match?.groups ?? {}
  const fromHost: S3Settings = region === undefined ? {} : { region, endpoint: endpointOf(region, internal) }
  const credentials = userinfo === undefined ? {} : keysOf(userinfo, display, 'oss')
  return {
    type: 'oss',
    bucket,
    path: keyPath(parts.path),
    settings: mergedSettings<S3Settings>({ ...fromHost, ...credentials }, fromParams),
  }
}

function endpointOf(region: string, internal: string): string {
  return `https://s3.oss-${region}${internal}.aliyuncs.com`
}

/**
 * Adds the settings that OSS needs. The settings are the region, the endpoint of the S3 interface,
 * the bucket in the host name, and the keys. The access keys come from OSS_ACCESS_KEY_ID,
 * OSS_ACCESS_KEY_SECRET and OSS_SESSION_TOKEN. Throws ACCESS_DENIED if neither the settings nor the
 * environment contains access keys.
 */
export function ossSettings(settings: S3Settings, display: string): S3Settings {
  const region = settings.region ?? regionOfEndpoint(settings.endpoint) ?? DEFAULT_REGION
  const written = settings.endpoint === undefined ? endpointOf(region, '') : String(reveal(settings.endpoint))
  const filled = {
    forcePathStyle: false,
    ...keysOfEnvironment(settings),
    ...settings,
    region,
    endpoint: written.replace(
      NATIVE_ENDPOINT,
      (_, scheme: string, host: string) => `${scheme || 'https://'}s3.${host}`,
    ),
  }
  if (filled.anonymous || (filled.accessKeyId !== undefined && filled.secretAccessKey !== undefined)) return filled
  throw new LitestreamError('ACCESS_DENIED', `${display}: there are no credentials for OSS`, {
    hint: 'Set `access-key-id` and `secret-access-key`, or OSS_ACCESS_KEY_ID and OSS_ACCESS_KEY_SECRET.',
  })
}

function regionOfEndpoint(endpoint: S3Settings['endpoint']): string | undefined {
  const text = endpoint === undefined ? '' : String(reveal(endpoint))
  return /(?:^|[/.])oss-([a-z0-9-]+?)(?:-internal)?\.aliyuncs\.com/i.exec(text)?.[1]
}

/**
 * Returns the access keys in the environment variables. Returns no keys if the settings contain a
 * key, because an ID from one source does not belong to a secret from another.
 */
function keysOfEnvironment({ accessKeyId, secretAccessKey }: S3Settings): S3Settings {
  const { OSS_ACCESS_KEY_ID: id, OSS_ACCESS_KEY_SECRET: secret, OSS_SESSION_TOKEN: token } = process.env
  if (accessKeyId !== undefined || secretAccessKey !== undefined || !id || !secret) return {}
  for (const one of [secret, token]) if (one) rememberSecret(one)
  return { accessKeyId: id, secretAccessKey: secret, ...(token ? { sessionToken: token } : {}) }
}
