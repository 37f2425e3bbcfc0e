import { readFileSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { Script } from 'node:vm'

/** The compiled code of a file is beside it, under this name with this ending, if scripts/code-cache.mjs has made it. */
const ENDING = '.cache'
/** How the names of files end that are run here. */
const CODE = '-code.js'

type Run = (
  exports: object,
  require: (name: string) => unknown,
  module: { exports: object },
  file: string,
  directory: string,
) => void

/** V8's own form of a script as it was compiled; undefined where there is none, or an older one than the script. */
function compiledCode(file: string): Buffer | undefined {
  try {
    // V8 knows what it compiled by version, flags and length of the source, not by the source.
    if (statSync(file + ENDING).mtimeMs < statSync(file).mtimeMs) return undefined
    return readFileSync(file + ENDING)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

const modules = new Map<string, { exports: object }>()

/**
 * Runs a file that scripts/bundle.mjs made, one expression that is a CommonJS module's function, and returns what it exports. A
 * thread that is waited for must not compile half a megabyte of JavaScript first: V8 takes the compiled form from a file beside it,
 * which is made for the Node.js that the package was installed with. Another one refuses it, and the script is compiled as usual.
 */
export function runCode(file: string): object {
  const known = modules.get(file)
  if (known) return known.exports
  const module = { exports: {} }
  modules.set(file, module)
  const cachedData = compiledCode(file)
  // ASCII, says the bundler.
  const script = new Script(readFileSync(file, 'latin1'), { filename: file, cachedData })
  const directory = path.dirname(file)
  const ordinary = createRequire(file)
  const require = (name: string) => (name.endsWith(CODE) ? runCode(path.join(directory, name)) : ordinary(name))
  const run = script.runInThisContext() as Run
  run(module.exports, require, module, file, directory)
  return module.exports
}
