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

// threadUrl.tracedFiles() is never called. Tools that trace the files of an application follow its
// import. The property keeps bundlers from removing the import.
threadUrl.tracedFiles = () => import('./traced-files.js')

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
