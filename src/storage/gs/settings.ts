import type { Secret } from '../../util/secret.js'

/**
 * Settings of a replica in Google Cloud Storage, apart from bucket and path. Credentials come from
 * the environment.
 */
export interface GsSettings {
  /**
   * Address of the service, such as a private endpoint; it receives the credentials. Default:
   * `STORAGE_EMULATOR_HOST`, which receives none, otherwise `https://storage.googleapis.com`.
   */
  readonly endpoint?: string | Secret
}
