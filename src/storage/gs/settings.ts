import type { Secret } from '../../util/secret.js'

/**
 * Settings of a replica in Google Cloud Storage, except the bucket and the path. The credentials of
 * Cloud Storage come from the environment.
 */
export interface GsSettings {
  /**
   * Address of the service, such as a private endpoint. The client sends its credentials to an
   * address in the setting `endpoint`. The default of `endpoint` is the value of
   * `STORAGE_EMULATOR_HOST`. The client sends no credentials to an address in
   * `STORAGE_EMULATOR_HOST`. If this variable is not set either, the default is
   * `https://storage.googleapis.com`.
   */
  readonly endpoint?: string | Secret
}
