import type { ByteSize } from '../../util/byte-size.js'
import type { Secret } from '../../util/secret.js'

/**
 * The dialect of the S3 API that the client uses. `oss` is Alibaba Cloud OSS. A create-only PUT to
 * OSS needs a header of its own.
 */
export type S3Dialect = 's3' | 'oss'

/**
 * How the client uses If-None-Match and If-Match. `auto` sends a probe before the first write. The
 * probe shows whether the store enforces these conditions. `always` sends the conditions without a
 * probe and relies on them. `never` does not send the conditions.
 */
export type ConditionalWritesMode = 'auto' | 'always' | 'never'

export const CONDITIONAL_WRITES = ['auto', 'always', 'never'] as const satisfies readonly ConditionalWritesMode[]

/**
 * Settings of an S3 replica, except the bucket and the path. The names of the settings are those of
 * the configuration file in camel case.
 */
export interface S3Settings {
  /** URL of an S3 service other than AWS. */
  readonly endpoint?: string | Secret
  /** Region of the bucket. */
  readonly region?: string
  /** ID of the access key. */
  readonly accessKeyId?: string
  /** Secret of the access key. */
  readonly secretAccessKey?: string | Secret
  /** Session token. Only temporary credentials have a session token. */
  readonly sessionToken?: string | Secret
  /** Whether the client sends no credentials, for a public bucket. */
  readonly anonymous?: boolean
  /** Whether the bucket name is in the path of a URL instead of the host name. */
  readonly forcePathStyle?: boolean
  /**
   * Whether the client signs a hash of the body (the default), or sends UNSIGNED-PAYLOAD instead.
   */
  readonly signPayload?: boolean
  /**
   * Whether the client sends and signs Accept-Encoding. The setting must be false for a proxy that
   * changes this header after the client has signed the request.
   */
  readonly signAcceptEncoding?: boolean
  /** Whether the client sends Content-MD5 with batch deletes. */
  readonly requireContentMd5?: boolean
  /** Whether the client accepts any TLS certificate. */
  readonly skipVerify?: boolean
  /**
   * A PEM file with certificate authorities. The client trusts these authorities in addition to the
   * authorities of Node.js.
   */
  readonly caFile?: string
  /** Storage class of new objects. */
  readonly storageClass?: string
  /**
   * Part size of a multipart upload, at least 5 MiB (5 MB counts as 5 MiB). The client uploads a
   * smaller file with one PUT.
   */
  readonly partSize?: ByteSize
  /** Number of parts that the client uploads in parallel. */
  readonly concurrency?: number
  /** Algorithm for encryption with a customer key. AES256 is the only supported value. */
  readonly sseCustomerAlgorithm?: string
  /** Customer key of 32 bytes, in base64. */
  readonly sseCustomerKey?: string | Secret
  /** Path of a file that contains `sseCustomerKey`. */
  readonly sseCustomerKeyPath?: string
  /** The MD5 of `sseCustomerKey` in base64. The client verifies the key with this MD5. */
  readonly sseCustomerKeyMd5?: string
  /** ID of the KMS key with which the store encrypts new objects. */
  readonly sseKmsKeyId?: string
  /**
   * Set by `openReplicaClient` for a write-once replica. In a write-once replica, the client
   * overwrites and deletes nothing. A probe of such a replica also overwrites and deletes nothing.
   */
  readonly writeOnce?: boolean
  /** Whether the client relies on conditional writes, by default `auto`. */
  readonly conditionalWrites?: ConditionalWritesMode
}
