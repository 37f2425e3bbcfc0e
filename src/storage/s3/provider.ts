import { createHash } from 'node:crypto'
import { LitestreamError } from '../../errors.js'
import { readRegularSync } from '../../fs/open-regular-sync.js'
import { bytes } from '../../util/byte-size.js'
import { expandHome } from '../../util/home.js'
import { reveal, Secret } from '../../util/secret.js'
import { maskEndpoint } from '../shown-url.js'
import { presetOf } from './presets.js'
import type { ConditionalWritesMode, S3Dialect, S3Settings } from './settings.js'

/**
 * The region that the client assumes if neither the settings nor the store determine it. The region
 * us-east-1 of AWS also reports the regions of buckets in other regions.
 */
export const DEFAULT_REGION = 'us-east-1'

/** Minimum size in bytes of every part except the final one. Every store refuses smaller parts. */
const MIN_PART_SIZE = 5 * 2 ** 20
/**
 * The value 5 MB, which configurations of Litestream use as the minimum part size. For a part size
 * of 5 MB, the client uses MIN_PART_SIZE.
 */
const SMALLEST_WRITTEN = 5_000_000

/** S3 settings in which every default is filled in, including the defaults of the provider. */
export interface ResolvedS3Settings extends Omit<S3Settings, 'endpoint' | 'region'> {
  /** URL of the endpoint including the scheme, or undefined for AWS. */
  readonly endpoint: string | undefined
  /**
   * The region of the bucket. For AWS without a region in the settings, `region` is undefined, and
   * the client asks AWS for the region of the bucket.
   */
  readonly region: string | undefined
  readonly forcePathStyle: boolean
  readonly signPayload: boolean
  readonly requireContentMd5: boolean
  readonly partSize: number
  readonly concurrency: number
  /** Whether all parts of an upload must have the same size. */
  readonly equalParts: boolean
  /** Headers that the client adds to every request before it signs the request. */
  readonly headers: Readonly<Record<string, string>>
  /** Names of headers that the client removes from every request before it signs the request. */
  readonly unsignableHeaders: readonly string[]
  readonly conditionalWrites: ConditionalWritesMode
  readonly dialect: S3Dialect
  readonly sseCustomer: { readonly key: Secret; readonly md5: string } | undefined
}

const LOCAL =
  /^(localhost|127\.[0-9.]+|\[::1\]|10\.[0-9.]+|192\.168\.[0-9.]+|172\.(1[6-9]|2[0-9]|3[01])\.[0-9.]+|.+\.local|.+\.localhost)$/

/**
 * Converts `host:port` to a URL. The scheme is http for an address of this machine or of a private
 * network, otherwise https.
 */
function endpointUrl(endpoint: string, display: string): URL {
  const withScheme = /^https?:\/\//i.test(endpoint)
  if (!withScheme && /^[a-z][a-z0-9+.-]*:\/\//i.test(endpoint)) throw invalidEndpoint(endpoint, display)
  try {
    const guess = new URL(withScheme ? endpoint : `https://${endpoint}`)
    const url = !withScheme && LOCAL.test(guess.hostname) ? new URL(`http://${endpoint}`) : guess
    // Removes user and password from the endpoint, because errors of the SDK would contain them.
    // The user and password would have no effect, because the signature occupies the header
    // Authorization.
    url.username = ''
    url.password = ''
    return url
  } catch {
    // The code drops the error of the URL class, because that error quotes the URL.
    throw invalidEndpoint(endpoint, display)
  }
}

function invalidEndpoint(endpoint: string, display: string): LitestreamError {
  return new LitestreamError('INVALID_URL', `${display}: "${maskEndpoint(endpoint)}" is not an endpoint`, {
    hint: 'Write the endpoint as https://HOST or https://HOST:PORT.',
  })
}

/**
 * Fills in the defaults of all settings that are undefined. Throws INVALID_URL for incompatible
 * settings.
 */
export function resolveS3Settings(
  settings: S3Settings,
  bucket: string,
  display: string,
  dialect: S3Dialect = 's3',
): ResolvedS3Settings {
  const isArn = bucket.startsWith('arn:')
  const written = reveal(settings.endpoint) ?? (isArn ? undefined : process.env.LITESTREAM_S3_ENDPOINT || undefined)
  const endpoint = written === undefined ? undefined : endpointUrl(written, display)
  const preset = endpoint && presetOf(endpoint.hostname)
  const invalid = (message: string, hint: string) =>
    new LitestreamError('INVALID_URL', `${display}: ${message}`, { hint })

  const { accessKeyId, secretAccessKey } = settings
  if (Boolean(accessKeyId) !== Boolean(reveal(secretAccessKey))) {
    const [has, lacks] = accessKeyId ? ['access-key-id', 'secret-access-key'] : ['secret-access-key', 'access-key-id']
    throw invalid(`${has} is set, and ${lacks} is not`, `Set \`${lacks}\` too, or delete \`${has}\`.`)
  }
  if (isArn && settings.forcePathStyle) {
    throw invalid('an access point cannot be addressed with path style', 'Remove the setting forcePathStyle.')
  }
  const asked = bytes(settings.partSize ?? MIN_PART_SIZE)
  const partSize = asked >= SMALLEST_WRITTEN && asked < MIN_PART_SIZE ? MIN_PART_SIZE : asked
  if (partSize < MIN_PART_SIZE || partSize > 5 * 2 ** 30) {
    throw invalid(`a part size of ${partSize} bytes is not between 5 MiB and 5 GiB`, 'Set part-size to 5MiB or more.')
  }
  return {
    ...settings,
    endpoint: endpoint?.href.replace(/\/$/, ''),
    region: settings.region ?? regionOfArn(bucket) ?? preset?.region ?? (endpoint && DEFAULT_REGION),
    forcePathStyle: !isArn && (settings.forcePathStyle ?? endpoint !== undefined),
    signPayload: settings.signPayload ?? true,
    requireContentMd5: settings.requireContentMd5 ?? preset?.requireContentMd5 ?? true,
    partSize,
    concurrency: settings.concurrency ?? preset?.concurrency ?? 5,
    equalParts: preset?.equalParts ?? false,
    headers: preset?.headers ?? {},
    unsignableHeaders: [
      ...(preset?.unsignableHeaders ?? []),
      ...(settings.signAcceptEncoding === false ? ['accept-encoding'] : []),
    ],
    // AWS has supported If-None-Match and If-Match on PUT since 2024.
    conditionalWrites: settings.conditionalWrites ?? preset?.conditionalWrites ?? (endpoint ? 'auto' : 'always'),
    dialect,
    sseCustomer: resolveSse(settings, endpoint, invalid),
  }
}

function regionOfArn(bucket: string): string | undefined {
  return bucket.startsWith('arn:') ? bucket.split(':')[3] || undefined : undefined
}

function resolveSse(
  settings: S3Settings,
  endpoint: URL | undefined,
  invalid: (message: string, hint: string) => LitestreamError,
): ResolvedS3Settings['sseCustomer'] {
  const { sseCustomerAlgorithm, sseCustomerKey, sseCustomerKeyPath, sseKmsKeyId } = settings
  if (sseCustomerAlgorithm !== undefined && sseCustomerAlgorithm !== 'AES256') {
    throw invalid(
      `"${sseCustomerAlgorithm}" is not an algorithm for SSE-C`,
      'Use AES256, the only supported algorithm.',
    )
  }
  if (sseCustomerKey === undefined && sseCustomerKeyPath === undefined) {
    if (sseCustomerAlgorithm !== undefined)
      throw invalid('SSE-C has no key', 'Set sse-customer-key or sse-customer-key-path.')
    return undefined
  }
  if (sseKmsKeyId !== undefined)
    throw invalid('SSE-C and SSE-KMS cannot be combined', 'Remove `sse-customer-key` or `sse-kms-key-id`.')
  if (endpoint?.protocol === 'http:' && !LOCAL.test(endpoint.hostname)) {
    throw invalid('SSE-C would send its key over plain http', 'Use an endpoint that begins with https.')
  }
  const key = Buffer.from((reveal(sseCustomerKey) ?? readKeyFile(sseCustomerKeyPath!, invalid)).trim(), 'base64')
  if (key.byteLength !== 32) {
    throw invalid(`the SSE-C key has ${key.byteLength} bytes, not 32`, 'Create a key with `openssl rand -base64 32`.')
  }
  const md5 = createHash('md5').update(key).digest('base64')
  if (settings.sseCustomerKeyMd5 !== undefined && settings.sseCustomerKeyMd5 !== md5) {
    throw invalid(
      'sseCustomerKeyMD5 is not the MD5 of the SSE-C key',
      'Correct or remove sseCustomerKeyMD5, or correct the SSE-C key.',
    )
  }
  return { key: new Secret(key.toString('base64')), md5 }
}

function readKeyFile(file: string, invalid: (message: string, hint: string) => LitestreamError): string {
  try {
    return readRegularSync(expandHome(file)).toString()
  } catch (error) {
    throw invalid(
      `the SSE-C key file ${file} cannot be read: ${(error as Error).message}`,
      'Check the path in sse-customer-key-path.',
    )
  }
}
