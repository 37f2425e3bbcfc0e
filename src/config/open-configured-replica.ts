import type { OpenReplicaClientOptions } from '../storage/open.js'
import { openReplicaClient } from '../storage/open.js'
import type { OutageListener } from '../storage/outage.js'
import type { ReplicaClient } from '../storage/replica-client.js'
import type { ReplicaSettings } from './replica-settings.js'
import type { DatabaseConfig, ReplicaConfig } from './types.js'

const S3_KEYS = [
  'endpoint',
  'region',
  'access-key-id',
  'secret-access-key',
  'session-token',
  'force-path-style',
  'sign-payload',
  'sign-accept-encoding',
  'require-content-md5',
  'skip-verify',
  'ca-file',
  'conditional-writes',
  'storage-class',
  'part-size',
  'concurrency',
  'sse-customer-algorithm',
  'sse-customer-key',
  'sse-customer-key-path',
  'sse-kms-key-id',
] as const

const NATS_KEYS = [
  'username',
  'password',
  'token',
  'jwt',
  'seed',
  'creds',
  'nkey',
  'tls',
  'root-cas',
  'client-cert',
  'client-key',
  'skip-verify',
  'create-bucket',
  'max-reconnects',
  'reconnect-wait',
  'timeout',
] as const

const SFTP_KEYS = [
  'user',
  'password',
  'key-path',
  'passphrase',
  'agent',
  'host-key',
  'known-hosts',
  'insecure-host-key',
  'concurrent-writes',
  'timeout',
] as const
const ABS_KEYS = ['account-name', 'account-key', 'sas-token', 'endpoint'] as const

const WEBDAV_KEYS = ['webdav-username', 'webdav-password', 'skip-verify', 'ca-file'] as const

/**
 * For each replica type, the keys that have an effect for this type but not for all other types.
 */
export const STORE_KEYS: Readonly<Record<ReplicaConfig['type'], readonly (keyof ReplicaSettings)[]>> = {
  file: [],
  s3: S3_KEYS,
  oss: S3_KEYS,
  nats: NATS_KEYS,
  sftp: SFTP_KEYS,
  webdav: WEBDAV_KEYS,
  gs: [],
  abs: ABS_KEYS,
}

/**
 * Converts a key of the file to the option name of the storage clients. For example,
 * `access-key-id` becomes `accessKeyId`.
 */
function camelCase(key: string): string {
  return key.replace(/-([a-z0-9])/g, (_, letter: string) => letter.toUpperCase())
}

function pick(settings: ReplicaSettings, keys: readonly (keyof ReplicaSettings)[]): object {
  const given = keys.filter((key) => settings[key] !== undefined && settings[key] !== '')
  return Object.fromEntries(given.map((key) => [camelCase(key), settings[key]]))
}

/**
 * Converts the settings of a replica to options of a storage client. `database` is the path of the
 * database that is replicated to the replica.
 */
export function clientOptions(replica: ReplicaConfig, database?: string): OpenReplicaClientOptions {
  const { recipients, identities, passphrase } = replica.encryption ?? {}
  const encryption = replica.encryption && { recipients, identities, passphrase: passphrase?.reveal() }
  return {
    ...storeOptions(replica, database),
    ...(encryption ? { encryption } : {}),
    ...(replica.settings['write-once'] ? { writeOnce: true } : {}),
  }
}

function storeOptions(replica: ReplicaConfig, database?: string): OpenReplicaClientOptions {
  if (replica.type === 'file') return database === undefined ? {} : { file: { ownerLike: database } }
  if (replica.type === 's3' || replica.type === 'oss') return { s3: pick(replica.settings, S3_KEYS) }
  if (replica.type === 'nats') return { nats: pick(replica.settings, NATS_KEYS) }
  if (replica.type === 'sftp') return { sftp: pick(replica.settings, SFTP_KEYS) }
  if (replica.type === 'webdav') return { webdav: webdavSettings(replica.settings) }
  if (replica.type === 'abs') return { abs: pick(replica.settings, ABS_KEYS) }
  return {}
}

function webdavSettings(settings: ReplicaSettings): object {
  const username = settings['webdav-username']
  const password = settings['webdav-password']
  return {
    ...pick(settings, ['skip-verify', 'ca-file']),
    ...(username ? { username } : {}),
    ...(password ? { password } : {}),
  }
}

export function openConfiguredReplica(
  { path, replica }: Pick<DatabaseConfig, 'path' | 'replica'>,
  signal?: AbortSignal,
  onOutage?: OutageListener,
): Promise<ReplicaClient> {
  const options = clientOptions(replica, path)
  return openReplicaClient(replica.url.reveal(), { ...options, onOutage, ...(signal ? { signal } : {}) })
}
