import { existsSync } from 'node:fs'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { LitestreamError } from './errors.js'
import { findPackage, here, KEEP_OUTSIDE } from './package-files.js'

/** The modules that run on separate threads. */
export type ThreadModule =
  | 'primary/worker.js'
  | 'replica/handle/prefetch-thread.js'
  | 'replica/worker/worker.js'
  | 'integrity/worker.js'

/**
 * The files whose paths are computed at run time: tools that trace an application's files, such as
 * @vercel/nft and Next.js with webpack or Turbopack, copy the files of URLs of literal names.
 * scripts/bundle.mjs writes them into this list. Never called.
 */
function tracedFiles(): URL[] {
  return []
}
// Keeps bundlers from removing the function.
threadUrl.tracedFiles = tracedFiles

/**
 * The URL of a thread's module; its CommonJS version if one exists, because a thread loads that
 * faster. The module is searched in the folder of this file, which scripts/bundle.mjs keeps at the
 * root of the compiled tree, and then in the installed package: an application's bundler moves this
 * file, but does not move the module of a thread. Throws NATIVE_MISSING.
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
