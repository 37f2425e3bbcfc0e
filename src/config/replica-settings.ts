import { CONDITIONAL_WRITES } from '../storage/s3/settings.js'
import { secretEndpoint } from '../storage/secret-endpoint.js'
import { secretUrl } from '../storage/url.js'
import { DEFAULTS } from './defaults.js'
import { boolean, choice, concealedText, duration, integer, secretText, size, text } from './scalars.js'
import { anything, type Read, section, texts } from './shape.js'

const unused = { unused: true }

/**
 * Replica keys that are also allowed at the top of the file. The value at the top of the file is
 * the default for every replica.
 */
export const inheritedReplicaKeys = {
  'sync-interval': duration(
    'Minimum time between two uploads of new LTX files; must be greater than 0.',
    DEFAULTS.syncInterval,
  ),
  'validation-interval': duration(
    'This key has no effect, as in Litestream; use `validation.interval`.',
    undefined,
    unused,
  ),
  'max-sync-ltx-files': integer(
    'Maximum number of LTX files per upload run; 0 means no limit.',
    DEFAULTS.maxSyncLtxFiles,
    {
      min: 0,
    },
  ),
  'auto-recover': boolean(
    'This key has no effect: if local files are missing or damaged, the primary always writes a snapshot.',
    undefined,
    unused,
  ),

  'access-key-id': text(
    'S3 and OSS: access key. By default, `LITESTREAM_ACCESS_KEY_ID` or the credential chain of the AWS SDK is used.',
    undefined,
  ),
  'secret-access-key': secretText('S3 and OSS: secret key.'),
  'session-token': secretText('S3 and OSS: session token of temporary credentials.'),
  region: text(
    'S3 and OSS: region of the bucket. By default, AWS is asked for the region of the bucket. For other services, the default is the region in the name of the endpoint, otherwise `us-east-1` (OSS: `cn-hangzhou`).',
  ),
  bucket: text('S3, GCS, ABS, OSS and NATS: bucket, if there is no `url`.'),
  endpoint: concealedText(
    'S3, ABS and OSS: address of the service; http is assumed for local and private hosts, otherwise https.',
    secretEndpoint,
  ),
  'force-path-style': boolean(
    'S3: put the name of the bucket into the path of each request instead of the host name; true by default if an endpoint is set.',
  ),
  'sign-payload': boolean('S3: sign request bodies.', true),
  'sign-accept-encoding': boolean(
    'S3: sign the header Accept-Encoding. Set this key to false if a proxy changes the header and so breaks the signature; requests then omit the header.',
    true,
  ),
  'require-content-md5': boolean('S3: send Content-MD5 in requests that require it.', true),
  'skip-verify': boolean('S3, OSS, WebDAV and NATS: accept any TLS certificate (only for tests).', false),
  'ca-file': text(
    'S3, OSS and WebDAV: PEM file with certificate authorities that are trusted in addition to those of Node.js. The default is the file in `AWS_CA_BUNDLE` or `SSL_CERT_FILE`.',
  ),
  'conditional-writes': choice(
    CONDITIONAL_WRITES,
    'S3 and OSS: whether writes use a condition, so that only one of several writers can create an object. With `auto`, a probe before the first write tests whether the store supports such conditions. With `never`, a HEAD request before each write replaces the condition, which is a weaker protection (docs/storage.md).',
    'auto',
  ),
  'write-once': boolean(
    'Only in litestream-ts: only create objects and never replace or delete them, for buckets with Object Lock and for credentials that can neither overwrite nor delete. Lifecycle rules of the store delete old files; see docs/write-once.md.',
    false,
  ),
  'storage-class': text('S3: storage class of new objects.'),
  'part-size': size('S3 and OSS: size of one part of a multipart upload, at least 5MiB (5MB counts as 5MiB).', '5MiB', {
    min: 5_000_000,
    max: 5 * 2 ** 30,
  }),
  concurrency: integer('S3 and OSS: number of parts uploaded in parallel.', 5, { min: 1, max: 1000 }),
  'sse-customer-algorithm': text('S3: algorithm of encryption with your own key, `AES256`.'),
  'sse-customer-key': secretText('S3: your encryption key, 32 bytes in base64.'),
  'sse-customer-key-path': text('S3: file with your encryption key.'),
  'sse-kms-key-id': text('S3: id of the KMS key to encrypt with.'),

  'account-name': text('ABS: storage account; the default is the user in the URL.'),
  'account-key': secretText(
    'ABS: key of the account. By default, `LITESTREAM_AZURE_ACCOUNT_KEY` or the default credential chain of Azure is used.',
  ),
  'sas-token': secretText(
    'ABS: shared access signature; takes precedence over `account-key`. The default is the value of `LITESTREAM_AZURE_SAS_TOKEN`.',
  ),

  host: text('SFTP: `host:port`, if there is no `url`.'),
  user: text('SFTP: user.'),
  password: secretText('SFTP and NATS: password.'),
  'key-path': text('SFTP: private key file; `~` is the home directory.'),
  passphrase: secretText('SFTP: passphrase of the private key (only in litestream-ts).'),
  agent: text(
    'SFTP: path of the socket of an SSH agent (only in litestream-ts). The default is the value of `SSH_AUTH_SOCK`.',
  ),
  'concurrent-writes': boolean('SFTP: write several blocks in parallel.', true),
  'host-key': text("SFTP: the server's public host keys or their fingerprints, one per line."),
  'known-hosts': text(
    'SFTP: file with known host keys (only in litestream-ts). By default, the known_hosts files of OpenSSH are used.',
  ),
  'insecure-host-key': boolean(
    'SFTP: accept any host key, as Litestream does if `host-key` is not set. This setting exists only in litestream-ts.',
    false,
  ),

  'webdav-url': concealedText('WebDAV: URL of the collection, if there is no `url`.', secretEndpoint),
  'webdav-username': text('WebDAV: user.'),
  'webdav-password': secretText('WebDAV: password.'),

  jwt: secretText('NATS: user JWT.'),
  seed: secretText('NATS: seed that signs for the JWT or NKey.'),
  creds: text('NATS: credentials file.'),
  nkey: secretText('NATS: public NKey; requires `seed`.'),
  username: text('NATS: user.'),
  token: secretText('NATS: token.'),
  tls: boolean('NATS: use TLS.', false),
  'root-cas': texts({ description: 'NATS: files with the certificates of accepted authorities.' }),
  'client-cert': text('NATS: client certificate file; requires `client-key`.'),
  'client-key': text('NATS: client key file.'),
  'create-bucket': boolean('NATS: create the bucket if it does not exist (only in litestream-ts).', false),
  'max-reconnects': integer('NATS: number of reconnection attempts; -1 means no limit.', -1, { min: -1 }),
  'reconnect-wait': duration('NATS: interval between reconnection attempts.', 2000, { min: 0 }),
  timeout: duration('NATS and SFTP: maximum time to wait for a connection.', 10_000, { min: 1 }),
}

const ageKey = anything({
  description: 'This key of Litestream 0.3 is an error; use `encryption`.',
  unused: true,
})

/**
 * Keys of Litestream 0.3 that are still accepted. Each key of Litestream 0.3 causes a warning that
 * shows the current form of the setting.
 */
const legacyReplicaKeys = {
  retention: duration(
    'This key of Litestream 0.3 is replaced by `snapshot.retention` at the top of the file.',
    undefined,
  ),
  'retention-check-interval': duration(
    'This key of Litestream 0.3 is replaced by `l0-retention-check-interval` at the top of the file.',
    undefined,
    unused,
  ),
  'snapshot-interval': duration(
    'This key of Litestream 0.3 is replaced by `snapshot.interval` at the top of the file.',
    undefined,
  ),
}

const encryptionFields = {
  recipients: texts({
    description: 'Public keys that can decrypt new files: `age1…`, or paths of files that contain such keys.',
  }),
  identities: texts({
    description: 'Files with the private keys (`AGE-SECRET-KEY-1…`) that decrypt files of the replica.',
  }),
  passphrase: secretText('Passphrase of the identity files.'),
}

export const replicaFields = {
  type: text(
    'Type of the store: `file`, `s3`, `nats`, `gs`, `abs`, `oss`, `sftp` or `webdav`. If `url` is set, the type is that of the URL.',
    'file',
  ),
  url: concealedText('URL of the replica: `s3://bucket/path`, `file:///path`, `nats://host/bucket`, …', secretUrl),
  path: text('Path in the bucket or file system, if there is no `url`.'),
  name: text('This key has no effect since Litestream 0.5.', undefined, unused),
  ...inheritedReplicaKeys,
  encryption: section(encryptionFields, {
    description: 'Only in litestream-ts: encrypts the files with age; see docs/encryption.md.',
  }),
  age: ageKey,
  ...legacyReplicaKeys,
}

/** Returns the schema of a replica section. */
export const replicaSection = (description?: string) =>
  section(replicaFields, { title: 'replica', ...(description === undefined ? {} : { description }) })

export const inheritedAge = ageKey

export type ReplicaFile = NonNullable<Read<ReturnType<typeof replicaSection>>>
export type ReplicaSettings = { readonly [K in keyof typeof inheritedReplicaKeys]?: ReplicaFile[K] }
