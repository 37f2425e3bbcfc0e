import type { Secret } from '../../util/secret.js'

/** Settings of a WebDAV replica, except the URL. */
export interface WebdavSettings {
  /** Name of the user. */
  readonly username?: string
  /** Password of the user. */
  readonly password?: string | Secret
  /**
   * A PEM file with certificate authorities. The client trusts these authorities in addition to the
   * authorities of Node.js.
   */
  readonly caFile?: string
  /** Whether the client accepts any TLS certificate. */
  readonly skipVerify?: boolean
}
