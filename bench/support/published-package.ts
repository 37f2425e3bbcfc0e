import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { packageRoot } from '../../src/package-files.js'

/** The published package, not the code that the tests run: the difference is measured. */
export const PACKAGE = pathToFileURL(path.join(packageRoot(), 'dist/index.js')).href
