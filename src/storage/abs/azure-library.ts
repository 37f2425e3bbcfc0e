import { createRequire } from 'node:module'
import type * as AzureIdentity from '@azure/identity'
import type * as AzureBlob from '@azure/storage-blob'
import { localRequire } from '../../package-files.js'
import { loadOptionalPackage } from '../optional-package.js'

/** Loads Azure's client library for Blob Storage. Throws PACKAGE_MISSING. */
export function loadBlobLibrary(): typeof AzureBlob {
  return loadOptionalPackage({
    name: '@azure/storage-blob',
    neededFor: 'a replica on abs://',
    install: '@azure/storage-blob@12',
  })
}

/**
 * Loads Azure's credential library. The client needs the credential library if the settings have
 * neither a key nor a shared access signature. Throws PACKAGE_MISSING.
 */
export function loadIdentityLibrary(): typeof AzureIdentity {
  return loadOptionalPackage({
    name: '@azure/identity',
    neededFor: 'a replica on abs:// without `account-key` and `sas-token`',
    install: '@azure/identity@4',
  })
}

/**
 * The parts of Azure's HTTP library that this package uses. Azure's Blob Storage library sends its
 * requests with the HTTP library.
 */
export interface AzureHttp {
  createDefaultHttpClient(): { sendRequest(request: AzureRequest): Promise<AzureReply> }
  createPipelineRequest(options: Readonly<Record<string, unknown>>): AzureRequest
  createHttpHeaders(headers: Readonly<Record<string, string>>): unknown
}

/** A request of Azure's HTTP library, reduced to the fields that this package uses. */
export interface AzureRequest {
  agent?: unknown
}

export interface AzureReply {
  readonly status: number
  readonly headers: { toJSON(options: { preserveCase: boolean }): Readonly<Record<string, string>> }
  readonly readableStreamBody?: NodeJS.ReadableStream
}

/**
 * Loads Azure's HTTP library. Azure's HTTP library is a dependency of the Blob Storage library.
 * Node.js therefore resolves the HTTP library from the folder of the Blob Storage library.
 */
export function loadAzureHttp(): AzureHttp {
  loadBlobLibrary()
  return createRequire(localRequire.resolve('@azure/storage-blob'))('@azure/core-rest-pipeline') as AzureHttp
}
