import path from 'node:path'
import { LitestreamError } from '../../errors.js'
import { parseByteSize } from '../../util/byte-size.js'
import { mergedSettings } from '../merged-settings.js'
import { secretEndpoint } from '../secret-endpoint.js'
import { splitUserinfo, type UrlParams, type UrlParts } from '../url-parts.js'
import { CONDITIONAL_WRITES, type S3Dialect, type S3Settings } from './settings.js'

/** The location of a replica in a bucket that the S3 client can access. */
export interface BucketLocation<Type extends S3Dialect> {
  readonly type: Type
  /** Name of a bucket, or ARN of an access point. */
  readonly bucket: string
  /**
   * Path of the replica, with which the replica's object keys begin. The path is "" for
   * `s3://bucket/` and "." for `s3://bucket` (keys.ts).
   */
  readonly path: string
  readonly settings: S3Settings
}

export type S3Location = BucketLocation<'s3'>

/**
 * Returns Litestream's key prefix for the path of a URL. keyPath() normalises the path and removes
 * the leading slash. For the path "", keyPath() returns ".".
 */
export function keyPath(urlPath: string): string {
  if (urlPath === '') return '.'
  return path.posix.normalize(urlPath).replace(/\/$/, '').replace(/^\//, '')
}

/**
 * Splits `arn:aws:s3:<region>:<account>:accesspoint/<name>[/<path>]` into bucket and path. The name
 * of the access point becomes a part of the bucket.
 */
function splitArn(rest: string, { display, quote }: UrlParts): { bucket: string; path: string } {
  const match = /^(arn:[^:/]+:s3[^:/]*:[^:/]*:[^:/]*:accesspoint[/:][^/]+)(\/.*)?$/.exec(rest)
  if (match === null) {
    throw new LitestreamError('INVALID_URL', `${display}: ${quote(rest)} is not the ARN of an S3 access point`, {
      hint: 'Write the replica URL as s3://arn:aws:s3:REGION:ACCOUNT:accesspoint/NAME/PATH.',
    })
  }
  return { bucket: match[1]!, path: keyPath(match[2] ?? '') }
}

/**
 * Patterns of hosts that contain bucket and service. `settings` returns the settings for the
 * endpoint of a host that matches the pattern.
 */
const SERVICE_HOSTS: readonly { pattern: RegExp; settings: (match: RegExpExecArray) => S3Settings }[] = [
  {
    pattern: /^(?<bucket>.+)\.s3[.-](?<region>[a-z0-9-]+)\.amazonaws\.com$/,
    settings: (m) => ({ region: m.groups!.region }),
  },
  { pattern: /^(?<bucket>.+)\.s3\.amazonaws\.com$/, settings: () => ({}) },
  {
    pattern: /^(?<bucket>.+)\.(?<host>(?<region>[a-z0-9]+)\.digitaloceanspaces\.com)$/,
    settings: (m) => ({ endpoint: `https://${m.groups!.host}`, region: m.groups!.region, forcePathStyle: false }),
  },
  {
    pattern: /^(?<bucket>.+)\.(?<host>s3\.(?<region>[a-z0-9-]+)\.backblazeb2\.com)$/,
    settings: (m) => ({ endpoint: `https://${m.groups!.host}`, region: m.groups!.region, forcePathStyle: true }),
  },
  {
    pattern: /^(?<bucket>.+)\.(?<host>s3\.filebase\.com)$/,
    settings: (m) => ({ endpoint: `https://${m.groups!.host}`, forcePathStyle: true }),
  },
  {
    pattern: /^(?<bucket>.+)\.(?<host>s3\.(?<region>[a-z0-9-]+)\.scw\.cloud)$/,
    settings: (m) => ({ endpoint: `https://${m.groups!.host}`, region: m.groups!.region, forcePathStyle: false }),
  },
  // A host with a port that matches no pattern is assumed to be a MinIO server.
  {
    pattern: /^(?![0-9.]+:)(?<bucket>[^.:]+)\.(?<host>[^:]+:[0-9]+)$/,
    settings: (m) => ({ endpoint: `http://${m.groups!.host}`, forcePathStyle: true }),
  },
]

function splitHost(host: string): { bucket: string; settings: S3Settings } {
  for (const { pattern, settings } of SERVICE_HOSTS) {
    const match = pattern.exec(host)
    if (match !== null) return { bucket: match.groups!.bucket!, settings: settings(match) }
  }
  return { bucket: host, settings: {} }
}

export function takeSettings(params: UrlParams): S3Settings {
  return {
    endpoint: params.parsed('endpoint', secretEndpoint),
    region: params.string('region'),
    sessionToken: params.secret('sessionToken'),
    anonymous: params.boolean('anonymous'),
    forcePathStyle: params.boolean('forcePathStyle'),
    skipVerify: params.boolean('skipVerify'),
    caFile: params.string('caFile'),
    signPayload: params.boolean('signPayload'),
    signAcceptEncoding: params.boolean('signAcceptEncoding'),
    requireContentMd5: params.boolean('requireContentMD5'),
    concurrency: params.positiveInteger('concurrency'),
    partSize: params.parsed('partSize', parseByteSize),
    storageClass: params.string('storageClass'),
    sseCustomerAlgorithm: params.string('sseCustomerAlgorithm'),
    sseCustomerKey: params.secret('sseCustomerKey'),
    sseCustomerKeyPath: params.string('sseCustomerKeyPath'),
    sseCustomerKeyMd5: params.string('sseCustomerKeyMD5'),
    sseKmsKeyId: params.string('sseKmsKeyId'),
    conditionalWrites: params.choice('conditionalWrites', CONDITIONAL_WRITES),
  }
}

export function parseS3Url(parts: UrlParts): S3Location {
  const { display, params } = parts
  const fromParams = takeSettings(params)
  params.rejectRest()

  const rest = `${parts.host ?? ''}${parts.path}`
  if (rest.startsWith('arn:')) return { type: 's3', ...splitArn(rest, parts), settings: fromParams }
  if (parts.host === undefined || parts.host === '') {
    throw new LitestreamError('INVALID_URL', `${display}: the bucket is missing`, {
      hint: 'Write the replica URL as s3://BUCKET/PATH.',
    })
  }

  const { bucket, settings } = splitHost(parts.host)
  if (!/^[a-zA-Z0-9][a-zA-Z0-9._-]{0,254}$/.test(bucket)) {
    throw new LitestreamError('INVALID_URL', `${display}: ${parts.quote(bucket)} cannot be the name of a bucket`, {
      hint: 'Write the replica URL as s3://BUCKET/PATH or, for a service other than AWS, as s3://BUCKET/PATH?endpoint=https://HOST.',
    })
  }
  const credentials = parts.userinfo === undefined ? {} : keysOf(parts.userinfo, display)
  return {
    type: 's3',
    bucket,
    path: keyPath(parts.path),
    settings: mergedSettings<S3Settings>({ ...settings, ...credentials }, fromParams),
  }
}

const KEY_VARIABLES: Readonly<Record<S3Dialect, string>> = {
  s3: 'AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY',
  oss: 'OSS_ACCESS_KEY_ID and OSS_ACCESS_KEY_SECRET',
}

/** Parses `KEY:SECRET` of a URL. */
export function keysOf(userinfo: string, display: string, scheme: S3Dialect = 's3'): S3Settings {
  const { user, password } = splitUserinfo(userinfo, display)
  if (user === '' || password === undefined || password.reveal() === '') {
    throw new LitestreamError('INVALID_URL', `${display}: the part before the "@" is not KEY:SECRET`, {
      hint: `Set ${KEY_VARIABLES[scheme]} instead, or write ${scheme}://KEY:SECRET@BUCKET/PATH with KEY and SECRET percent-encoded.`,
    })
  }
  return { accessKeyId: user, secretAccessKey: password }
}
