import type { Duration } from '../../util/duration.js'
import type { Secret } from '../../util/secret.js'

/**
 * Settings of a NATS replica, except the server, the bucket and the prefix. Each setting has the
 * name of its key in the configuration file, in camel case.
 */
export interface NatsSettings {
  /** Name of the user, for authentication with a password. */
  readonly username?: string
  /** Password of the user. */
  readonly password?: string | Secret
  /** Token for authentication. Authentication with a token needs no user name. */
  readonly token?: string | Secret
  /** JWT of a user, which requires `seed`. */
  readonly jwt?: string | Secret
  /** Seed of the NKey that signs the server's challenge for `jwt` or `nkey`. */
  readonly seed?: string | Secret
  /** Path of a credentials file that `nsc` has written. */
  readonly creds?: string
  /** Public NKey of a user, which requires `seed`. */
  readonly nkey?: string | Secret
  /** Whether the client requires TLS. */
  readonly tls?: boolean
  /** Paths of PEM files with CA certificates. */
  readonly rootCas?: readonly string[]
  /** Path of the client certificate in PEM format. */
  readonly clientCert?: string
  /** Path of the private key of `clientCert` in PEM format. */
  readonly clientKey?: string
  /** Whether the client accepts any TLS certificate. */
  readonly skipVerify?: boolean
  /** Maximum number of reconnection attempts. -1 means no limit. */
  readonly maxReconnects?: number
  /** Wait between two attempts to reconnect. */
  readonly reconnectWait?: Duration
  /** Timeout of a connection attempt and of a request. */
  readonly timeout?: Duration
  /** Whether the client creates the bucket if it does not exist. */
  readonly createBucket?: boolean
  /**
   * Whether the replica is write-once (set by `openReplicaClient`). In a write-once replica, the
   * client deletes nothing. In a write-once replica, even the chunks of a failed upload stay in the
   * bucket.
   */
  readonly writeOnce?: boolean
}
