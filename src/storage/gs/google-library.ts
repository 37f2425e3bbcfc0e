import { createRequire } from 'node:module'
import type { Storage } from '@google-cloud/storage'
import { localRequire } from '../../package-files.js'
import { loadOptionalPackage } from '../optional-package.js'

const PACKAGE = {
  name: '@google-cloud/storage',
  neededFor: 'a replica on gs://',
  install: '@google-cloud/storage@7',
} as const

/**
 * The parts that litestream-ts uses of the HTTP client of Google's library, which obeys
 * HTTPS_PROXY, HTTP_PROXY and NO_PROXY.
 */
export interface HttpClient {
  request(options: {
    readonly url: string
    readonly method: string
    readonly headers: Readonly<Record<string, string>>
    readonly data?: Buffer | string | undefined
    readonly responseType: 'stream'
    readonly validateStatus: () => boolean
    readonly retry: false
    readonly redirect: 'manual'
    readonly signal: AbortSignal
  }): Promise<{
    readonly status: number
    /** The headers of the response, with names in lower case. */
    readonly headers: Readonly<Record<string, string>>
    readonly data: NodeJS.ReadableStream
  }>
}

export interface GoogleLibrary {
  readonly Storage: typeof Storage
  readonly http: HttpClient
}

/** Loads Google's client library for Cloud Storage. Throws PACKAGE_MISSING. */
export function loadGoogleLibrary(): GoogleLibrary {
  const { Storage: Class } = loadOptionalPackage<{ Storage: typeof Storage }>(PACKAGE)
  // gaxios is a dependency of Google's library. Node.js therefore resolves gaxios from the folder
  // of Google's library.
  const requireOfLibrary = createRequire(localRequire.resolve(PACKAGE.name))
  const { Gaxios } = requireOfLibrary('gaxios') as { readonly Gaxios: new () => HttpClient }
  return { Storage: Class, http: new Gaxios() }
}
