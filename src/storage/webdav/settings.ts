import type { Secret } from '../../util/secret.js'

/** Settings of a WebDAV replica, apart from its URL. */
export interface WebdavSettings {
  /** User name of the login. */
  readonly username?: string
  /** Password of the user. */
  readonly password?: string | Secret
  /** A PEM file with authorities that are trusted beside those of Node.js. */
  readonly caFile?: string
  /** Accept any TLS certificate. */
  readonly skipVerify?: boolean
}
