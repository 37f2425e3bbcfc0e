import type { ContainerClient, StoragePipelineOptions } from '@azure/storage-blob'
import { LitestreamError } from '../../errors.js'
import { rememberSecret } from '../../util/redact.js'
import { reveal } from '../../util/secret.js'
import { mergedSettings } from '../merged-settings.js'
import { maskEndpoint } from '../shown-url.js'
import { loadBlobLibrary, loadIdentityLibrary } from './azure-library.js'
import { boundedHttpClient } from './bounded-http.js'
import type { AbsLocation } from './location.js'
import type { AbsSettings } from './settings.js'

export interface OpenedContainer {
  readonly client: ContainerClient
  /**
   * The URL `abs://CONTAINER`. The URL omits the account, because messages mask the part before an
   * "@".
   */
  readonly url: string
  /** Address of the service for messages. The address contains no credentials. */
  readonly endpoint: string
}

/**
 * Azure's library makes one attempt per call. litestream-ts makes the retries, because a request
 * must also be retried if its body is interrupted.
 */
const PIPELINE = {
  retryOptions: { maxTries: 1 },
  userAgentOptions: { userAgentPrefix: 'litestream-ts' },
} satisfies StoragePipelineOptions

/**
 * Opens a container with Azure's library, without sending a request. The credentials are chosen as
 * in Litestream. The first choice of credentials is a shared access signature, and the second
 * choice is the account key. The last choice of credentials is Azure's default chain (AZURE_*
 * variables, workload identity, managed identity, command line). Throws INVALID_URL for incomplete
 * settings, and PACKAGE_MISSING if the library is not installed.
 */
export function openContainer({ container, settings: ofUrl }: AbsLocation, given: AbsSettings = {}): OpenedContainer {
  const settings = mergedSettings(ofUrl, given)
  const account = given.accountName || ofUrl.accountName
  const url = `abs://${container}`
  const invalid = (message: string, hint: string) => new LitestreamError('INVALID_URL', `${url}: ${message}`, { hint })
  const endpoint = serviceUrl(reveal(settings.endpoint), account, invalid)
  const address = `${endpoint}/${encodeURIComponent(container)}`
  const opened = (client: ContainerClient) => ({ client, url, endpoint })
  const { ContainerClient: Client, StorageSharedKeyCredential } = loadBlobLibrary()
  const pipeline: StoragePipelineOptions = { ...PIPELINE, httpClient: boundedHttpClient() }

  const sas = reveal(settings.sasToken) || process.env.LITESTREAM_AZURE_SAS_TOKEN
  if (sas) return opened(new Client(`${address}?${signature(sas, invalid)}`, undefined, pipeline))

  const key = reveal(settings.accountKey) || process.env.LITESTREAM_AZURE_ACCOUNT_KEY
  if (!key) {
    const { DefaultAzureCredential } = loadIdentityLibrary()
    return opened(new Client(address, new DefaultAzureCredential(), pipeline))
  }
  rememberSecret(key)
  if (account === undefined) {
    throw invalid(
      '`account-key` is set, but the name of the account is missing',
      'Set `account-name`, or write abs://ACCOUNT@CONTAINER/PATH.',
    )
  }
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(key)) {
    throw invalid('the account key is not base64', 'Copy `account-key` from "Access keys" of the storage account.')
  }
  return opened(new Client(address, new StorageSharedKeyCredential(account, key), pipeline))
}

type Invalid = (message: string, hint: string) => LitestreamError

/**
 * Returns the URL of the service without a trailing slash. The URL of an emulator has the account
 * in its path.
 */
function serviceUrl(endpoint: string | undefined, account: string | undefined, invalid: Invalid): string {
  if (!endpoint) {
    if (account === undefined) {
      throw invalid('the storage account is missing', 'Write abs://ACCOUNT@CONTAINER/PATH, or set `account-name`.')
    }
    if (!/^[a-z0-9-]{3,63}$/.test(account)) {
      throw invalid(
        `${JSON.stringify(account)} cannot be the name of a storage account`,
        'Write abs://ACCOUNT@CONTAINER/PATH; an account name has 3 to 24 lower-case letters and digits.',
      )
    }
    return `https://${account}.blob.core.windows.net`
  }
  try {
    const url = new URL(/^https?:\/\//i.test(endpoint) ? endpoint : `${schemeFor(endpoint)}://${endpoint}`)
    return `${url.protocol}//${url.host}${url.pathname.replace(/\/+$/, '')}`
  } catch {
    throw invalid(
      `"${maskEndpoint(endpoint)}" is not an endpoint`,
      'Write the endpoint as https://HOST or https://HOST:PORT.',
    )
  }
}

/**
 * Returns `http` for an address of this machine or of a private network, otherwise `https`. The S3
 * client chooses the scheme of an endpoint by the same rule.
 */
function schemeFor(endpoint: string): 'http' | 'https' {
  const host = endpoint.split(/[:/]/, 1)[0]!
  const local = /^(localhost|127\.[0-9.]+|10\.[0-9.]+|192\.168\.[0-9.]+|172\.(1[6-9]|2[0-9]|3[01])\.[0-9.]+|.+\.local)$/
  return local.test(host) ? 'http' : 'https'
}

/**
 * Parses a shared access signature as the Azure portal shows it. The shared access signature may
 * begin with "?".
 */
function signature(sas: string, invalid: Invalid): string {
  const text = sas.trim().replace(/^\?/, '')
  rememberSecret(text)
  const sig = new URLSearchParams(text).get('sig')
  if (!sig) {
    throw invalid('the shared access signature has no "sig="', 'Copy the whole SAS token from the storage account.')
  }
  rememberSecret(sig)
  return text
}
