import { callback, checkOptions, flag, type OptionChecks, object, waitChecks } from '../util/check-arguments.js'
import { rememberSecret } from '../util/redact.js'
import { type WaitOptions, withDeadline } from '../util/wait.js'
import type { AbsSettings } from './abs/settings.js'
import { type EncryptionSettings, encryptionFromEnvironment } from './encrypted/settings.js'
import type { FileSettings } from './file/file-client.js'
import type { GsSettings } from './gs/settings.js'
import type { NatsSettings } from './nats/settings.js'
import type { OutageListener } from './outage.js'
import type { ReplicaClient } from './replica-client.js'
import type { S3Settings } from './s3/settings.js'
import type { SftpSettings } from './sftp/settings.js'
import { secretsOfUrl } from './shown-url.js'
import { parseReplicaUrl, type ReplicaLocation } from './url.js'
import type { WebdavSettings } from './webdav/settings.js'
import type { WriteGuarantees } from './write-guarantees.js'

/**
 * Settings of the stores, by the kind of store. Each setting takes precedence over the same setting
 * in the URL.
 */
export interface StoreOptions {
  /** Settings of a replica in a folder. */
  readonly file?: FileSettings
  /** Settings of a replica in S3 or OSS. */
  readonly s3?: S3Settings
  /** Settings of a replica in NATS JetStream. */
  readonly nats?: NatsSettings & { readonly bucket?: string }
  /** Settings of a replica on an SFTP server. */
  readonly sftp?: SftpSettings
  /** Settings of a replica on a WebDAV server. */
  readonly webdav?: WebdavSettings
  /** Settings of a replica in Google Cloud Storage. */
  readonly gs?: GsSettings
  /** Settings of a replica in Azure Blob Storage. */
  readonly abs?: AbsSettings
  /**
   * Settings for encrypting the files with age. Encryption needs the package age-encryption. The
   * value `false` disables encryption. By default the encryption settings come from the environment
   * variables LITESTREAM_AGE_IDENTITIES, LITESTREAM_AGE_RECIPIENTS and LITESTREAM_AGE_PASSPHRASE.
   */
  readonly encryption?: EncryptionSettings | false | undefined
  /**
   * Whether the client only creates objects, for stores that refuse to overwrite and to delete
   * objects (docs/write-once.md). Default: false.
   */
  readonly writeOnce?: boolean | undefined
}

/**
 * Options of openReplicaClient(). `signal` and `timeout` limit only how long opening takes, because
 * each later request takes its own signal. The default of `timeout` is the timeout in the store's
 * settings, and 60 s for a folder.
 */
export interface OpenReplicaClientOptions extends StoreOptions, WaitOptions {
  /**
   * The client calls `onOutage` when the store has not answered for about a second, again at
   * growing intervals, and when the store answers again. The client retries its requests during an
   * outage. Without `onOutage`, the client emits a process warning.
   */
  readonly onOutage?: OutageListener | undefined
}

const CHECKS: OptionChecks<OpenReplicaClientOptions> = {
  file: object,
  s3: object,
  nats: object,
  sftp: object,
  webdav: object,
  gs: object,
  abs: object,
  encryption: (value) => (value === false ? undefined : object(value) && 'false or an object'),
  writeOnce: flag,
  onOutage: callback,
  ...waitChecks,
}

/** The function openReplicaClient() in src/operations.ts, which loads this module. */
export async function openReplicaClient(url: string, options: OpenReplicaClientOptions = {}): Promise<ReplicaClient> {
  const location = parseReplicaUrl(url)
  checkOptions(options, CHECKS, 'openReplicaClient')
  rememberSettings(options)
  const { signal, timeout } = options
  signal?.throwIfAborted()
  if (timeout === undefined) return openEncrypted(location, options)
  return withDeadline('opening a replica', { signal, timeout }, (linked) =>
    openEncrypted(location, { ...options, signal: linked! }),
  )
}

async function openEncrypted(location: ReplicaLocation, options: OpenReplicaClientOptions): Promise<ReplicaClient> {
  const { encryption = encryptionFromEnvironment() } = options
  if (!encryption) return openWriteOnce(location, options)
  const headers = await headersFor(encryption)
  const { EncryptedClient } = await import('./encrypted/encrypted-client.js')
  return new EncryptedClient(await openWriteOnce(location, options), headers)
}

async function openWriteOnce(location: ReplicaLocation, options: OpenReplicaClientOptions): Promise<ReplicaClient> {
  if (!options.writeOnce) return open(location, options)
  const { WriteOnceClient } = await import('./write-once.js')
  return new WriteOnceClient(await open(location, options))
}

async function headersFor(encryption: EncryptionSettings) {
  const { readEncryptionKeys } = await import('./encrypted/keys.js')
  const { AgeHeaders } = await import('./encrypted/header.js')
  return new AgeHeaders(await readEncryptionKeys(encryption))
}

async function open(location: ReplicaLocation, options: OpenReplicaClientOptions): Promise<ReplicaClient> {
  const { signal, onOutage, writeOnce = false } = options
  switch (location.type) {
    case 'file': {
      const { FileReplicaClient } = await import('./file/file-client.js')
      return FileReplicaClient.open(location, options.file, signal, onOutage)
    }
    case 's3':
    case 'oss': {
      const { S3ReplicaClient } = await import('./s3/s3-client.js')
      return S3ReplicaClient.open(location, { ...options.s3, writeOnce }, { onOutage })
    }
    case 'nats': {
      const { NatsReplicaClient } = await import('./nats/nats-client.js')
      return NatsReplicaClient.open(location, { ...options.nats, writeOnce }, signal, onOutage)
    }
    case 'sftp': {
      const { SftpReplicaClient } = await import('./sftp/sftp-client.js')
      return SftpReplicaClient.open(location, options.sftp, signal, {}, onOutage)
    }
    case 'webdav': {
      const { WebdavReplicaClient } = await import('./webdav/webdav-client.js')
      return WebdavReplicaClient.open(location, options.webdav, signal, {}, onOutage)
    }
    case 'gs': {
      const { openGsClient } = await import('./gs/gs-client.js')
      return openGsClient(location, options.gs, { onOutage })
    }
    case 'abs': {
      const { openAbsClient } = await import('./abs/abs-client.js')
      return openAbsClient(location, options.abs, { onOutage })
    }
  }
}

/**
 * Checks the URL and the settings of a replica without connecting to its store. Opening the replica
 * may reveal errors that checkReplicaClient() cannot find. Throws the errors of `openReplicaClient`
 * for invalid URLs, invalid settings and unreadable files. Returns the known guarantees of the
 * store.
 */
export async function checkReplicaClient(
  url: string,
  options: OpenReplicaClientOptions = {},
): Promise<WriteGuarantees | undefined> {
  const location = parseReplicaUrl(url)
  rememberSettings(options)
  const { encryption = encryptionFromEnvironment() } = options
  if (encryption) await headersFor(encryption)
  if (location.type === 'nats') {
    const { NatsReplicaClient } = await import('./nats/nats-client.js')
    await NatsReplicaClient.check(location, options.nats)
    return undefined
  }
  if (location.type === 'sftp') {
    const { SftpReplicaClient } = await import('./sftp/sftp-client.js')
    await SftpReplicaClient.check(location, options.sftp)
    return undefined
  }
  if (location.type === 'webdav') {
    const { WebdavReplicaClient } = await import('./webdav/webdav-client.js')
    return WebdavReplicaClient.check(location, options.webdav)
  }
  // Clients of folders, S3, OSS, Google Cloud Storage and Azure check local files and settings when
  // they are opened. Opening them sends no request to a server.
  const client = await open(location, options)
  await client.close()
  return client.guarantees?.known
}

/** From here on, messages mask the secrets in these settings, as they mask the secrets of a URL. */
function rememberSettings({ s3, nats, sftp, webdav, gs, abs }: OpenReplicaClientOptions): void {
  const { endpoint, secretAccessKey, sessionToken, sseCustomerKey } = s3 ?? {}
  const { password, token, jwt, seed } = nats ?? {}
  const ofServers = [password, token, jwt, seed, sftp?.password, sftp?.passphrase, webdav?.password]
  const ofAzure = [abs?.accountKey, abs?.sasToken]
  for (const secret of [secretAccessKey, sessionToken, sseCustomerKey, ...ofServers, ...ofAzure]) {
    if (typeof secret === 'string') rememberSecret(secret)
  }
  for (const address of [endpoint, gs?.endpoint, abs?.endpoint]) {
    if (typeof address === 'string') for (const secret of secretsOfUrl(address)) rememberSecret(secret)
  }
}
