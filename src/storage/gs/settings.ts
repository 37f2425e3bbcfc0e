import type { Secret } from '../../util/secret.js'

/** What can be said about a replica in Google Cloud Storage beside bucket and path. Credentials come from the environment. */
export interface GsSettings {
  /**
   * Address of the service, such as a private endpoint; it gets the credentials. Default: `STORAGE_EMULATOR_HOST`, which gets none, else
   * `https://storage.googleapis.com`.
   */
  readonly endpoint?: string | Secret
}
