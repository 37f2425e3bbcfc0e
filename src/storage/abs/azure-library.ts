import type * as AzureIdentity from '@azure/identity'
import type * as AzureBlob from '@azure/storage-blob'
import { loadOptionalPackage } from '../optional-package.js'

/** Azure's client library of its blob storage. Throws PACKAGE_MISSING. */
export function loadBlobLibrary(): typeof AzureBlob {
  return loadOptionalPackage({
    name: '@azure/storage-blob',
    neededFor: 'a replica on abs://',
    install: '@azure/storage-blob@12',
  })
}

/**
 * Azure's library of credentials, for accounts without a key or a signature. Throws
 * PACKAGE_MISSING.
 */
export function loadIdentityLibrary(): typeof AzureIdentity {
  return loadOptionalPackage({
    name: '@azure/identity',
    neededFor: 'a replica on abs:// without `account-key` and `sas-token`',
    install: '@azure/identity@4',
  })
}
