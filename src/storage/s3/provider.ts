import { createHash } from 'node:crypto'
import { LitestreamError } from '../../errors.js'
import { readRegularSync } from '../../fs/open-regular.js'
import { reveal, Secret } from '../../util/secret.js'
import { maskEndpoint } from '../shown-url.js'
import type { S3Settings } from './settings.js'

/** S3 parts below this are refused by every store, except as the last one. */
export const MIN_PART_SIZE = 5 * 2 ** 20

/** Settings with every default filled in that the provider asks for. */
export interface ResolvedS3Settings extends Omit<S3Settings, 'endpoint'> {
  /** With scheme; undefined means AWS. */
  readonly endpoint: string | undefined
  readonly forcePathStyle: boolean
  readonly signPayload: boolean
  readonly requireContentMd5: boolean
  readonly partSize: number
  readonly concurrency: number
  /** Parts of one upload must all have the same size. */
  readonly equalParts: boolean
  /** Sent on every request, signed. */
  readonly headers: Readonly<Record<string, string>>
  /** Taken off every request before it is signed. */
  readonly unsignableHeaders: readonly string[]
  readonly sseCustomer: { readonly key: Secret; readonly md5: string } | undefined
}

interface Preset {
  readonly host: RegExp
  readonly requireContentMd5?: boolean
  readonly concurrency?: number
  readonly equalParts?: boolean
  readonly headers?: Readonly<Record<string, string>>
  readonly unsignableHeaders?: readonly string[]
}

/** What each service wants differently, by the host of its endpoint. */
const PRESETS: readonly Preset[] = [
  {
    // Without the header a read may be answered from another region's copy, which lags.
    host: /^(fly\.storage\.tigris\.dev|t3\.storage\.dev)$/,
    requireContentMd5: false,
    headers: { 'X-Tigris-Consistent': 'true' },
  },
  // Refuses more than a few parts at once, and parts of different sizes.
  { host: /\.r2\.cloudflarestorage\.com$/, concurrency: 2, equalParts: true },
  // Google's front end rewrites Accept-Encoding on the way, which would break the signature over it.
  { host: /^storage[a-z0-9.-]*\.googleapis\.com$/, unsignableHeaders: ['accept-encoding'] },
]

const LOCAL =
  /^(localhost|127\.[0-9.]+|\[::1\]|10\.[0-9.]+|192\.168\.[0-9.]+|172\.(1[6-9]|2[0-9]|3[01])\.[0-9.]+|.+\.local)$/

/** `host:port` becomes a URL: http where it is this machine or a private network, https elsewhere. */
function endpointUrl(endpoint: string, display: string): URL {
  const withScheme = /^https?:\/\//i.test(endpoint)
  try {
    const guess = new URL(withScheme ? endpoint : `https://${endpoint}`)
    const url = !withScheme && LOCAL.test(guess.hostname) ? new URL(`http://${endpoint}`) : guess
    // Without effect, as the header that would hold them holds the signature; the SDK must not put them into its errors.
    url.username = ''
    url.password = ''
    return url
  } catch {
    // The error of the URL class quotes its input.
    throw new LitestreamError('INVALID_URL', `${display}: "${maskEndpoint(endpoint)}" is not an endpoint`, {
      hint: 'Write it as https://HOST or https://HOST:PORT.',
    })
  }
}

/** Fills in what the settings leave open. Throws INVALID_URL for what cannot go together. */
export function resolveS3Settings(settings: S3Settings, bucket: string, display: string): ResolvedS3Settings {
  const endpoint = settings.endpoint === undefined ? undefined : endpointUrl(reveal(settings.endpoint), display)
  const preset = endpoint && PRESETS.find(({ host }) => host.test(endpoint.hostname))
  const isArn = bucket.startsWith('arn:')
  const invalid = (message: string, hint: string) =>
    new LitestreamError('INVALID_URL', `${display}: ${message}`, { hint })

  if (isArn && settings.forcePathStyle) {
    throw invalid('an access point cannot be addressed with path style', 'Remove forcePathStyle.')
  }
  const partSize = settings.partSize ?? MIN_PART_SIZE
  if (partSize < MIN_PART_SIZE || partSize > 5 * 2 ** 30) {
    throw invalid(`a part size of ${partSize} bytes is not between 5 MiB and 5 GiB`, 'Set part-size to 5MiB or more.')
  }
  return {
    ...settings,
    endpoint: endpoint?.href.replace(/\/$/, ''),
    forcePathStyle: !isArn && (settings.forcePathStyle ?? endpoint !== undefined),
    signPayload: settings.signPayload ?? true,
    requireContentMd5: settings.requireContentMd5 ?? preset?.requireContentMd5 ?? true,
    partSize,
    concurrency: settings.concurrency ?? preset?.concurrency ?? 5,
    equalParts: preset?.equalParts ?? false,
    headers: preset?.headers ?? {},
    unsignableHeaders: preset?.unsignableHeaders ?? [],
    sseCustomer: resolveSse(settings, endpoint, invalid),
  }
}

function resolveSse(
  settings: S3Settings,
  endpoint: URL | undefined,
  invalid: (message: string, hint: string) => LitestreamError,
): ResolvedS3Settings['sseCustomer'] {
  const { sseCustomerAlgorithm, sseCustomerKey, sseCustomerKeyPath, sseKmsKeyId } = settings
  if (sseCustomerAlgorithm !== undefined && sseCustomerAlgorithm !== 'AES256') {
    throw invalid(`"${sseCustomerAlgorithm}" is not an algorithm for SSE-C`, 'AES256 is the only one.')
  }
  if (sseCustomerKey === undefined && sseCustomerKeyPath === undefined) {
    if (sseCustomerAlgorithm !== undefined)
      throw invalid('SSE-C has no key', 'Set sse-customer-key or sse-customer-key-path.')
    return undefined
  }
  if (sseKmsKeyId !== undefined) throw invalid('SSE-C and SSE-KMS exclude each other', 'Remove one of the two keys.')
  if (endpoint?.protocol === 'http:' && !LOCAL.test(endpoint.hostname)) {
    throw invalid('SSE-C would send its key over plain http', 'Use an https endpoint.')
  }
  const key = Buffer.from((reveal(sseCustomerKey) ?? readKeyFile(sseCustomerKeyPath!, invalid)).trim(), 'base64')
  if (key.byteLength !== 32) {
    throw invalid(`the SSE-C key has ${key.byteLength} bytes, not 32`, 'Make one with `openssl rand -base64 32`.')
  }
  return { key: new Secret(key.toString('base64')), md5: createHash('md5').update(key).digest('base64') }
}

function readKeyFile(file: string, invalid: (message: string, hint: string) => LitestreamError): string {
  try {
    return readRegularSync(file).toString()
  } catch (error) {
    throw invalid(
      `the SSE-C key file ${file} cannot be read: ${(error as Error).message}`,
      'Check sse-customer-key-path.',
    )
  }
}
