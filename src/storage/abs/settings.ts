import type { Secret } from '../../util/secret.js'

/**
 * Settings of a replica in Azure Blob Storage, except the container and the path. Each setting has
 * the name of its key in the configuration file, in camel case.
 */
export interface AbsSettings {
  /** The storage account, by default the user of the URL. */
  readonly accountName?: string
  /** Key of the account in base64, by default the value of `LITESTREAM_AZURE_ACCOUNT_KEY`. */
  readonly accountKey?: string | Secret
  /**
   * A shared access signature, which takes precedence over the account key. The default of
   * `sasToken` is the value of `LITESTREAM_AZURE_SAS_TOKEN`.
   */
  readonly sasToken?: string | Secret
  /** Address of the service, by default `https://ACCOUNT.blob.core.windows.net`. */
  readonly endpoint?: string | Secret
}
