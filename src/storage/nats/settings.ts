import type { Secret } from '../../util/secret.js'

/** What can be said about a NATS replica beside server, bucket and prefix. Names as in the configuration file, in camel case. */
export interface NatsSettings {
  readonly username?: string
  readonly password?: string | Secret
  readonly token?: string | Secret
  /** A user's JWT; goes with `seed`. */
  readonly jwt?: string | Secret
  /** The seed of the NKey that signs for `jwt` or `nkey`. */
  readonly seed?: string | Secret
  /** A credentials file, as `nsc` writes it. */
  readonly creds?: string
  /** A user's public NKey; goes with `seed`. */
  readonly nkey?: string | Secret
  readonly tls?: boolean
  /** Files with CA certificates in PEM. */
  readonly rootCas?: readonly string[]
  readonly clientCert?: string
  readonly clientKey?: string
  readonly skipVerify?: boolean
  /** -1: without end. */
  readonly maxReconnects?: number
  /** Milliseconds. */
  readonly reconnectWait?: number
  /** Milliseconds until a connection attempt or a request is given up. */
  readonly timeout?: number
  /** Make the bucket if there is none. */
  readonly createBucket?: boolean
}
