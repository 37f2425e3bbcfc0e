import type { Duration } from '../../util/duration.js'
import type { Secret } from '../../util/secret.js'

/**
 * Settings of a NATS replica, apart from server, bucket and prefix. Names as in the configuration
 * file, in camel case.
 */
export interface NatsSettings {
  /** User name of a login with a password. */
  readonly username?: string
  /** Password of the user. */
  readonly password?: string | Secret
  /** Token, instead of a user. */
  readonly token?: string | Secret
  /** A user's JWT; requires `seed`. */
  readonly jwt?: string | Secret
  /** The seed of the NKey that signs for `jwt` or `nkey`. */
  readonly seed?: string | Secret
  /** A credentials file, as `nsc` writes it. */
  readonly creds?: string
  /** A user's public NKey; requires `seed`. */
  readonly nkey?: string | Secret
  /** Require TLS. */
  readonly tls?: boolean
  /** Files with CA certificates in PEM. */
  readonly rootCas?: readonly string[]
  /** Path of the client certificate, PEM. */
  readonly clientCert?: string
  /** Path of its private key, PEM. */
  readonly clientKey?: string
  /** Accept any TLS certificate. */
  readonly skipVerify?: boolean
  /** -1: unlimited. */
  readonly maxReconnects?: number
  /** Time between two attempts to connect again. */
  readonly reconnectWait?: Duration
  /** Timeout of a connection attempt or a request. */
  readonly timeout?: Duration
  /** Create the bucket if it does not exist. */
  readonly createBucket?: boolean
  /** Set by `openReplicaClient`: nothing is deleted, not even chunks of a failed upload. */
  readonly writeOnce?: boolean
}
