import { LitestreamError } from '../errors.js'
import { parseReplicaUrl, secretUrl } from '../storage/url.js'
import { reveal, Secret } from '../util/secret.js'
import type { ReplicaSettings } from './replica-settings.js'
import type { ReplicaConfig } from './types.js'

/**
 * For each URL scheme, the settings that the URL can contain, with the names of their query
 * parameters.
 */
const PARAMETERS: Readonly<Record<string, Partial<Record<keyof ReplicaSettings, string>>>> = {
  s3: {
    endpoint: 'endpoint',
    region: 'region',
    'force-path-style': 'forcePathStyle',
    'sign-payload': 'signPayload',
    'sign-accept-encoding': 'signAcceptEncoding',
    'require-content-md5': 'requireContentMD5',
    'skip-verify': 'skipVerify',
    'ca-file': 'caFile',
    'conditional-writes': 'conditionalWrites',
    'session-token': 'sessionToken',
    'sse-customer-algorithm': 'sseCustomerAlgorithm',
    'sse-customer-key': 'sseCustomerKey',
    'sse-customer-key-path': 'sseCustomerKeyPath',
  },
  sftp: {
    'key-path': 'keyPath',
    passphrase: 'passphrase',
    agent: 'agent',
    'host-key': 'hostKey',
    'known-hosts': 'knownHosts',
    'insecure-host-key': 'insecureHostKey',
  },
  webdav: { 'ca-file': 'caFile', 'skip-verify': 'skipVerify' },
  abs: { endpoint: 'endpoint', 'sas-token': 'sasToken' },
  nats: {
    tls: 'tls',
    creds: 'creds',
    'root-cas': 'rootCas',
    'client-cert': 'clientCert',
    'client-key': 'clientKey',
    'skip-verify': 'skipVerify',
  },
}

function userinfo({ type, url, settings }: ReplicaConfig): string | undefined {
  if (type === 'sftp' || type === 'webdav') return namedUser(url, settings)
  if (type === 'abs') return accountOf(url, settings)
  const [user, password] =
    type === 's3' || type === 'oss'
      ? [settings['access-key-id'], settings['secret-access-key']]
      : [settings.username, settings.password]
  if (user && password) return `${encodeURIComponent(user)}:${encodeURIComponent(password.reveal())}`
  return type === 'nats' && settings.token ? encodeURIComponent(settings.token.reveal()) : undefined
}

/**
 * Returns the user and password that the URL must contain. A user in the settings takes precedence
 * over a user in the URL.
 */
function namedUser(url: Secret, settings: ReplicaSettings): string | undefined {
  const location = parseReplicaUrl(url.reveal())
  const isWebdav = location.type === 'webdav'
  const named = isWebdav || location.type === 'sftp' ? location.settings : {}
  const user = isWebdav
    ? settings['webdav-username'] || location.settings.username
    : settings.user || ('user' in named ? named.user : undefined)
  const password = reveal(settings[isWebdav ? 'webdav-password' : 'password']) || reveal(named.password)
  if (!user) return undefined
  return encodeURIComponent(user) + (password ? `:${encodeURIComponent(password)}` : '')
}

/**
 * Returns `ACCOUNT:KEY` or `ACCOUNT`. Returns undefined if the settings set neither the account
 * name nor its key.
 */
function accountOf(url: Secret, settings: ReplicaSettings): string | undefined {
  const location = parseReplicaUrl(url.reveal())
  const account = settings['account-name'] || (location.type === 'abs' && location.settings.accountName)
  const key = settings['account-key']
  if (!account || (!settings['account-name'] && key === undefined)) return undefined
  return encodeURIComponent(account) + (key === undefined ? '' : `:${encodeURIComponent(key.reveal())}`)
}

/**
 * Returns a URL that contains all settings that a reader of the replica needs, including
 * credentials. Throws INVALID_ARGUMENT for settings that cannot be part of a URL.
 */
export function selfContainedUrl(replica: ReplicaConfig): Secret {
  const { type, url, settings } = replica
  if (type === 'nats' && (settings.jwt || settings.nkey || settings.seed)) {
    throw new LitestreamError(
      'INVALID_ARGUMENT',
      'a JWT or NKey that is set in the configuration cannot be used to read through the VFS',
      {
        hint: 'Put the JWT or NKey into a credentials file and set `creds` to its path.',
      },
    )
  }
  const [base = '', query] = url.reveal().split('?', 2)
  const parameters = new URLSearchParams(query)
  for (const [key, name] of Object.entries(PARAMETERS[type === 'oss' ? 's3' : type] ?? {})) {
    const value = settings[key as keyof ReplicaSettings]
    if (value !== undefined) parameters.set(name, value instanceof Secret ? value.reveal() : String(value))
  }
  const info = userinfo(replica)
  const withUser = info === undefined ? base : base.replace(/^([a-z0-9+.-]+:\/\/)(?:[^/@]*@)?/i, `$1${info}@`)
  return secretUrl(parameters.size > 0 ? `${withUser}?${parameters}` : withUser)
}
