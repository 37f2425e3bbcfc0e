import { existsSync, readFileSync, realpathSync } from 'node:fs'
import path from 'node:path'
import { LitestreamError } from './errors.js'

const NAME = 'litestream-ts'

declare const __dirname: string | undefined

/**
 * The folder of the running code. `import.meta.dirname` is undefined if a bundler has converted the
 * code to CommonJS.
 */
export const here: string = import.meta.dirname ?? (typeof __dirname === 'string' ? __dirname : process.cwd())

// `createRequire` is not imported, because webpack replaces an imported `createRequire` by a
// function that fails for paths known only at run time.
const { createRequire } = process.getBuiltinModule('node:module')

/** The `require` function that loads optional packages and the addon. */
export const localRequire: NodeJS.Require = createRequire(path.join(here, 'index.js'))

/** The part of a hint that says how an application excludes this package from its bundle. */
export const KEEP_OUTSIDE =
  `keep ${NAME} outside of the bundle (esbuild --external:${NAME}, webpack externals, Rollup external, Vite ssr.external, ` +
  'Next.js serverExternalPackages) and install it beside the bundle'

function isOurs(folder: string): boolean {
  const file = path.join(folder, 'package.json')
  return existsSync(file) && (JSON.parse(readFileSync(file, 'utf8')) as { name?: string }).name === NAME
}

/**
 * Returns the nearest folder, from `folder` upwards, that contains the package.json of this
 * package.
 */
function above(folder: string): string | undefined {
  for (let dir = folder; ; dir = path.dirname(dir)) {
    if (isOurs(dir)) return dir
    if (dir === path.dirname(dir)) return undefined
  }
}

/**
 * Returns the folder from which a program at `file` would import this package. Returns undefined if
 * the program cannot import this package.
 */
function installedFor(file: string): string | undefined {
  try {
    return path.dirname(createRequire(file).resolve(`${NAME}/package.json`))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'MODULE_NOT_FOUND') return undefined
    throw error
  }
}

function find(): string | undefined {
  const found = above(here) ?? installedFor(path.join(here, 'index.js'))
  const script = process.argv[1]
  return found ?? (script !== undefined && existsSync(script) ? installedFor(realpathSync(script)) : undefined)
}

let root: string | undefined

/**
 * Returns the folder with the package.json of this package. Usually the package.json is in a folder
 * above the running code. If a bundler has moved the code, returns the folder from which the bundle
 * or the main script would import the package. Returns undefined if the package is not found.
 */
export function findPackage(): string | undefined {
  root ??= find()
  return root
}

/** Does the same as findPackage. Throws NATIVE_MISSING if the package is not found. */
export function packageRoot(): string {
  const found = findPackage()
  if (found !== undefined) return found
  throw new LitestreamError('NATIVE_MISSING', `the files of ${NAME} were not found from ${here}`, {
    file: here,
    hint: `A bundler moved the code: ${KEEP_OUTSIDE}.`,
  })
}
