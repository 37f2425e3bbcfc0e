// npm runs this after it has changed node_modules of a checkout (the script `dependencies` in
// package.json; `prepare` would be listed as an install script where the package is installed). It
// builds what a checkout needs and a package contains: the addon for this machine and dist/.
import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import path from 'node:path'

const root = path.dirname(import.meta.dirname)

// Without development dependencies (`npm prune --omit=dev`) there is nothing to build with, and
// what was built stays.
if (existsSync(path.join(root, 'node_modules/typescript'))) {
  for (const script of ['build-native.mjs', 'build-types.mjs', 'bundle.mjs']) {
    execFileSync(process.execPath, [path.join(root, 'scripts', script)], { stdio: 'inherit' })
  }
}
