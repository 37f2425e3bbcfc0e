import { readFileSync } from 'node:fs'
import path from 'node:path'
import { packageRoot } from './package-files.js'

/**
 * scripts/bundle.mjs defines this constant, because the bundle of an application does not contain
 * the package.json of this package.
 */
declare const LITESTREAM_TS_VERSION: string | undefined

function read(): string {
  return (JSON.parse(readFileSync(path.join(packageRoot(), 'package.json'), 'utf8')) as { version: string }).version
}

/** The version of this package. */
export const version: string = typeof LITESTREAM_TS_VERSION === 'string' ? LITESTREAM_TS_VERSION : read()
