import type { ByteSize } from '../../util/byte-size.js'
import type { Secret } from '../../util/secret.js'

/**
 * The dialect of the S3 API that the client uses. `oss` is Alibaba Cloud OSS. OSS needs a header of
 * its own for a create-only PUT.
 */
export type S3Dialect = 's3' | 'oss'

/**
 * How the client uses the request headers If-None-Match and If-Match. With `auto`, the client
 * probes the store before the first write. The probe shows whether the store enforces the
 * conditions in these headers. With `always`, the client sends the conditions without a probe and
 * relies on them. With `never`, the client does not send the conditions.
 */
export type ConditionalWritesMode = 'auto' | 'always' | 'never'

export const CONDITIONAL_WRITES = ['auto', 'always', 'never'] as const satisfies readonly ConditionalWritesMode[]

/**
 * Settings of an S3 replica, except the bucket and the path. Each setting has the name of its key
 * in the configuration file, in camel case.
 */
export interface S3Settings {
  /** URL of the S3 service, which is necessary for any service other than AWS. */
  readonly endpoint?: string | Secret
  /** Region of the bucket. */
  readonly region?: string
  /** ID of the access key. */
  readonly accessKeyId?: string
  /** Secret of the access key. */
  readonly secretAccessKey?: string | Secret
  /** Session token, which only temporary credentials have. */
  readonly sessionToken?: string | Secret
  /** Whether the client sends requests without credentials, for a public bucket. */
  readonly anonymous?: boolean
  /**
   * Whether the client puts the bucket name into the path of a request URL instead of the host
   * name.
   */
  readonly forcePathStyle?: boolean
  /**
   * Whether the client signs a hash of the body (the default), or sends UNSIGNED-PAYLOAD instead.
   */
  readonly signPayload?: boolean
  /**
   * Whether the client sends and signs Accept-Encoding. Set `signAcceptEncoding` to false for a
   * proxy that changes this header after the client has signed the request.
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
   * Part size of a multipart upload, at least 5 MiB (the client raises 5 MB to 5 MiB). The client
   * uploads a file that is smaller than `partSize` with one PUT.
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
  /**
   * The MD5 of `sseCustomerKey` in base64. The client checks the customer key with
   * `sseCustomerKeyMd5`.
   */
  readonly sseCustomerKeyMd5?: string
  /** ID of the KMS key with which the store encrypts new objects. */
  readonly sseKmsKeyId?: string
  /**
   * Whether the replica is write-once (set by `openReplicaClient`). In a write-once replica, the
   * client overwrites and deletes nothing. The probe of a write-once replica also overwrites and
   * deletes nothing.
   */
  readonly writeOnce?: boolean
  /** Whether the client relies on conditional writes, by default `auto`. */
  readonly conditionalWrites?: ConditionalWritesMode
}
