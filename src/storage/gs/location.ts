import { LitestreamError } from '../../errors.js'
import { keyPrefix } from '../keys.js'
import { secretEndpoint } from '../secret-endpoint.js'
import type { UrlParts } from '../url-parts.js'
import type { GsSettings } from './settings.js'

export interface GsLocation {
  readonly type: 'gs'
  readonly bucket: string
  /**
   * Path of the replica in the bucket, without a slash at either end. The path "" means the bucket
   * itself.
   */
  readonly path: string
  readonly settings: GsSettings
}

/** Parses `gs://BUCKET/PATH`. Throws INVALID_URL. */
export function parseGsUrl(parts: UrlParts): GsLocation {
  const { display, params, quote } = parts
  const settings: GsSettings = { endpoint: params.parsed('endpoint', secretEndpoint) }
  params.rejectRest()
  const bucket = parts.host ?? ''
  if (bucket === '') {
    throw new LitestreamError('INVALID_URL', `${display}: the bucket is missing`, {
      hint: 'Write the replica URL as gs://BUCKET/PATH.',
    })
  }
  if (parts.userinfo !== undefined) {
    throw new LitestreamError('INVALID_URL', `${display}: a gs URL takes no user or password`, {
      hint: 'Set GOOGLE_APPLICATION_CREDENTIALS to the key file of a service account, and write the replica URL as gs://BUCKET/PATH.',
    })
  }
  if (!/^[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]$/.test(bucket)) {
    throw new LitestreamError('INVALID_URL', `${display}: ${quote(bucket)} cannot be the name of a bucket`, {
      hint: 'Write the replica URL as gs://BUCKET/PATH; a bucket name has lower-case letters, digits, "-", "_" and ".".',
    })
  }
  return { type: 'gs', bucket, path: keyPrefix(parts.path), settings }
}
