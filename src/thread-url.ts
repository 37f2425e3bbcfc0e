import { existsSync } from 'node:fs'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { LitestreamError } from './errors.js'
import { findPackage, here, KEEP_OUTSIDE } from './package-files.js'

/** The modules that run on their own threads. */
export type ThreadModule =
  | 'primary/worker.js'
  | 'replica/handle/prefetch-thread.js'
  | 'replica/worker/worker.js'
  | 'integrity/worker.js'

/**
 * Returns the files whose paths are computed at run time. Some tools (`@vercel/nft`, and Next.js
 * with webpack or Turbopack) trace the files of an application. Such tracing tools find only files
 * whose names are literals in a URL. scripts/bundle.mjs writes these literals into this function.
 * tracedFiles() is never called.
 */
function tracedFiles(): URL[] {
  return []
}
// The property `threadUrl.tracedFiles` keeps bundlers from removing tracedFiles().
threadUrl.tracedFiles = tracedFiles

/**
 * Returns the URL of a thread's module. If the module has a CommonJS version, returns that version,
 * because a thread loads CommonJS faster. Searches first the folder of this file, which is the root
 * of the compiled tree. If an application's bundler has moved this file without the modules,
 * searches the installed package. Throws NATIVE_MISSING.
 */
export function threadUrl(module: ThreadModule): URL {
  const names = [module.replace(/\.js$/, '.cjs'), module]
  const root = findPackage()
  const folders = [here, ...(root === undefined ? [] : [path.join(root, 'dist')])]
  const files = folders.flatMap((folder) => names.map((name) => path.join(folder, name)))
  const file = files.find((one) => existsSync(one))
  if (file !== undefined) return pathToFileURL(file)
  throw new LitestreamError('NATIVE_MISSING', `the module of a worker thread is missing: ${files.join(', ')}`, {
    file: files[0]!,
    hint: `Reinstall litestream-ts. If a bundler moved the code, ${KEEP_OUTSIDE}.`,
  })
}
