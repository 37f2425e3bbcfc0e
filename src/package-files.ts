import { existsSync, readFileSync, realpathSync } from 'node:fs'
import path from 'node:path'
import { LitestreamError } from './errors.js'

const NAME = 'litestream-ts'

declare const __dirname: string | undefined

/**
 * The folder of the running code. A bundler that converts this code to CommonJS leaves
 * `import.meta` empty.
 */
export const here: string = import.meta.dirname ?? (typeof __dirname === 'string' ? __dirname : process.cwd())

// Not imported: webpack replaces an imported createRequire, which then fails for paths that are
// only known at run time.
const { createRequire } = process.getBuiltinModule('node:module')

/** The `require` function for optional packages and the addon. */
export const localRequire: NodeJS.Require = createRequire(path.join(here, 'index.js'))

/** How an application excludes this package from its bundle; for hints. */
export const KEEP_OUTSIDE =
  `keep ${NAME} outside of the bundle (esbuild --external:${NAME}, webpack externals, Rollup external, Vite ssr.external, ` +
  'Next.js serverExternalPackages) and install it beside the bundle'

function isOurs(folder: string): boolean {
  const file = path.join(folder, 'package.json')
  return existsSync(file) && (JSON.parse(readFileSync(file, 'utf8')) as { name?: string }).name === NAME
}

/** The first folder, from `folder` upwards, that is this package. */
function above(folder: string): string | undefined {
  for (let dir = folder; ; dir = path.dirname(dir)) {
    if (isOurs(dir)) return dir
    if (dir === path.dirname(dir)) return undefined
  }
}

/** This package's folder as a program at `file` would import it. */
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
 * The folder of this package's package.json: above the running code or, if a bundler moved the
 * code, where the bundle or the main script finds the package. Undefined if the package is in
 * neither place.
 */
export function findPackage(): string | undefined {
  root ??= find()
  return root
}

/** Like findPackage, but throws NATIVE_MISSING if the package is not found. */
export function packageRoot(): string {
  const found = findPackage()
  if (found !== undefined) return found
  throw new LitestreamError('NATIVE_MISSING', `the files of ${NAME} were not found from ${here}`, {
    file: here,
    hint: `A bundler moved the code: ${KEEP_OUTSIDE}.`,
  })
}
