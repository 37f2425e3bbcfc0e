import type { Secret } from '../../util/secret.js'

/**
 * `auto`: a probe before the first write shows whether the store enforces If-None-Match and If-Match; `always`: they are sent, and
 * relied on; `never`: they are not sent.
 */
export type ConditionalWritesMode = 'auto' | 'always' | 'never'

export const CONDITIONAL_WRITES = ['auto', 'always', 'never'] as const satisfies readonly ConditionalWritesMode[]

/** What can be said about an S3 replica beside bucket and path. The names are those of the configuration file, in camel case. */
export interface S3Settings {
  readonly endpoint?: string | Secret
  readonly region?: string
  readonly accessKeyId?: string
  readonly secretAccessKey?: string | Secret
  /** Only with temporary credentials. */
  readonly sessionToken?: string | Secret
  /** Send no credentials at all: a public bucket. */
  readonly anonymous?: boolean
  readonly forcePathStyle?: boolean
  /** False sends UNSIGNED-PAYLOAD. */
  readonly signPayload?: boolean
  /** Content-MD5 on batch deletes. */
  readonly requireContentMd5?: boolean
  /** Accept any TLS certificate. */
  readonly skipVerify?: boolean
  /** A PEM file with authorities that are trusted beside those of Node.js. */
  readonly caFile?: string
  readonly storageClass?: string
  /** Bytes of one part of a multipart upload; below it a file is one PUT. */
  readonly partSize?: number
  /** Parts in flight at once. */
  readonly concurrency?: number
  /** AES256, the only one there is. */
  readonly sseCustomerAlgorithm?: string
  /** 32 bytes in base64. */
  readonly sseCustomerKey?: string | Secret
  /** A file that holds `sseCustomerKey`. */
  readonly sseCustomerKeyPath?: string
  /** The MD5 of `sseCustomerKey` in base64: compared with it. */
  readonly sseCustomerKeyMd5?: string
  readonly sseKmsKeyId?: string
  /** Whether conditional writes are relied on; default: `auto`. */
  readonly conditionalWrites?: ConditionalWritesMode
}
