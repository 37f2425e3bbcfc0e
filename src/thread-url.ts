import { existsSync } from 'node:fs'

/** The modules that run on threads of their own. */
export type ThreadModule =
  | 'primary/worker.js'
  | 'replica/handle/prefetch-thread.js'
  | 'replica/worker/worker.js'
  | 'restore/integrity-worker.js'

/**
 * Where the module of a thread is: a bundle may have it as CommonJS, which a thread is sooner done with. The one place that asks for
 * it by the place of its own code: a bundle moves code, but keeps this file's at the root of the compiled tree (see
 * scripts/bundle.mjs).
 */
export function threadUrl(module: ThreadModule): URL {
  const commonJs = new URL(`./${module.replace(/\.js$/, '.cjs')}`, import.meta.url)
  return existsSync(commonJs) ? commonJs : new URL(`./${module}`, import.meta.url)
}
