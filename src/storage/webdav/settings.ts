import type { Secret } from '../../util/secret.js'

/** What can be said about a WebDAV replica beside its URL. */
export interface WebdavSettings {
  readonly username?: string
  readonly password?: string | Secret
  /** A PEM file with authorities that are trusted beside those of Node.js. */
  readonly caFile?: string
  /** Accept any TLS certificate. */
  readonly skipVerify?: boolean
}
