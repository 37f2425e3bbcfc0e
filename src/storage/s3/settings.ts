import type { ByteSize } from '../../util/byte-size.js'
import type { Secret } from '../../util/secret.js'

/** `oss`: Alibaba Cloud OSS, whose create-only PUT has a provider-specific header. */
export type S3Dialect = 's3' | 'oss'

/**
 * `auto`: a probe before the first write shows whether the store enforces If-None-Match and
 * If-Match; `always`: they are sent, and relied on; `never`: they are not sent.
 */
export type ConditionalWritesMode = 'auto' | 'always' | 'never'

export const CONDITIONAL_WRITES = ['auto', 'always', 'never'] as const satisfies readonly ConditionalWritesMode[]

/**
 * Settings of an S3 replica, apart from bucket and path. Names as in the configuration file, in
 * camel case.
 */
export interface S3Settings {
  /** URL of an S3 service other than Amazon's. */
  readonly endpoint?: string | Secret
  /** Region of the bucket. */
  readonly region?: string
  /** ID of the access key. */
  readonly accessKeyId?: string
  /** Secret of the access key. */
  readonly secretAccessKey?: string | Secret
  /** Only for temporary credentials. */
  readonly sessionToken?: string | Secret
  /** Send no credentials: a public bucket. */
  readonly anonymous?: boolean
  /** Put the bucket into the path instead of the host name. */
  readonly forcePathStyle?: boolean
  /** False sends UNSIGNED-PAYLOAD. */
  readonly signPayload?: boolean
  /** False: no Accept-Encoding is sent, because a proxy rewrites the header after it was signed. */
  readonly signAcceptEncoding?: boolean
  /** Content-MD5 on batch deletes. */
  readonly requireContentMd5?: boolean
  /** Accept any TLS certificate. */
  readonly skipVerify?: boolean
  /** A PEM file with certificate authorities that are trusted in addition to those of Node.js. */
  readonly caFile?: string
  /** Storage class of new objects. */
  readonly storageClass?: string
  /**
   * Part size of a multipart upload, at least 5 MiB (5 MB counts as 5 MiB); smaller files are one
   * PUT.
   */
  readonly partSize?: ByteSize
  /** Number of parts sent in parallel. */
  readonly concurrency?: number
  /** AES256, the only supported value. */
  readonly sseCustomerAlgorithm?: string
  /** 32 bytes in base64. */
  readonly sseCustomerKey?: string | Secret
  /** A file that holds `sseCustomerKey`. */
  readonly sseCustomerKeyPath?: string
  /** The MD5 of `sseCustomerKey` in base64, for verification. */
  readonly sseCustomerKeyMd5?: string
  /** ID of the KMS key for server-side encryption. */
  readonly sseKmsKeyId?: string
  /** Set by `openReplicaClient`: nothing may be overwritten or deleted, not even by a probe. */
  readonly writeOnce?: boolean
  /** Whether the client relies on conditional writes; default: `auto`. */
  readonly conditionalWrites?: ConditionalWritesMode
}
