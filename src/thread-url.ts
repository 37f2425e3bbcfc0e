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
 * Lists files whose paths are computed at run time. Tools that trace an application's files evaluate
 * these expressions and copy the files: @vercel/nft both forms, Next.js with Turbopack only URLs of
 * literal names. webpack ignores the URLs, which it would copy beside its bundle. Never called.
 */
function tracedFiles(): (string | URL)[] {
  return [
    path.join(import.meta.dirname, '../package.json'),
    new URL(/* webpackIgnore: true */ '../prebuilds/linux-x64.node', import.meta.url),
    new URL(/* webpackIgnore: true */ '../prebuilds/linux-arm64.node', import.meta.url),
    new URL(/* webpackIgnore: true */ '../prebuilds/linuxmusl-x64.node', import.meta.url),
    new URL(/* webpackIgnore: true */ '../prebuilds/linuxmusl-arm64.node', import.meta.url),
    new URL(/* webpackIgnore: true */ '../prebuilds/darwin-x64.node', import.meta.url),
    new URL(/* webpackIgnore: true */ '../prebuilds/darwin-arm64.node', import.meta.url),
    new URL(/* webpackIgnore: true */ '../prebuilds/win32-x64.node', import.meta.url),
    new URL(/* webpackIgnore: true */ '../prebuilds/win32-arm64.node', import.meta.url),
    path.join(import.meta.dirname, 'primary'),
    path.join(import.meta.dirname, 'replica'),
    path.join(import.meta.dirname, 'restore'),
    path.join(import.meta.dirname, 'storage'),
  ]
}
// Keeps bundlers from removing the function.
threadUrl.tracedFiles = tracedFiles

/**
 * The URL of a thread's module; its CommonJS version if one exists, because a thread loads that
 * faster. Searched beside this code, which scripts/bundle.mjs keeps at the root of the compiled
 * tree, and otherwise in the installed package: an application's bundler moves this code, but not
 * the modules of threads. Throws NATIVE_MISSING.
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
