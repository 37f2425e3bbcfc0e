import { createRequire } from 'node:module'
import type * as AzureIdentity from '@azure/identity'
import type * as AzureBlob from '@azure/storage-blob'
import { localRequire } from '../../package-files.js'
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

/** The used part of the HTTP library on which the blob library is built. */
export interface AzureHttp {
  createDefaultHttpClient(): { sendRequest(request: AzureRequest): Promise<AzureReply> }
  createPipelineRequest(options: Readonly<Record<string, unknown>>): AzureRequest
  createHttpHeaders(headers: Readonly<Record<string, string>>): unknown
}

/** A request of that library, which only it looks into. */
export interface AzureRequest {
  agent?: unknown
}

export interface AzureReply {
  readonly status: number
  readonly headers: { toJSON(options: { preserveCase: boolean }): Readonly<Record<string, string>> }
  readonly readableStreamBody?: NodeJS.ReadableStream
}

/** A dependency of the blob library, so it is resolved from there. */
export function loadAzureHttp(): AzureHttp {
  loadBlobLibrary()
  return createRequire(localRequire.resolve('@azure/storage-blob'))('@azure/core-rest-pipeline') as AzureHttp
}
