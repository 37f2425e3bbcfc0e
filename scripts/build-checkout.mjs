// npm runs this after it has changed node_modules of a checkout (the script `dependencies` in
// package.json; `prepare` would be listed as an install script where the package is installed). It
// builds what a checkout needs and a package contains: the addon for this machine, dist/, and the
// driver, all at the same time.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import path from 'node:path'

const root = path.dirname(import.meta.dirname)
const running = new Set()

/** Runs scripts one after the other. */
async function run(...scripts) {
  for (const script of scripts) {
    const child = spawn(process.execPath, [path.join(root, 'scripts', script)], { stdio: 'inherit' })
    running.add(child)
    const [status, signal] = await once(child, 'exit')
    running.delete(child)
    if (status !== 0) throw new Error(`scripts/${script} failed (${signal ?? `exit status ${status}`})`)
  }
}

// Without development dependencies (`npm prune --omit=dev`) there is nothing to build with, and
// what was built stays.
if (existsSync(path.join(root, 'node_modules/typescript'))) {
  try {
    await Promise.all([run('build-driver.mjs'), run('build-native.mjs'), run('build-types.mjs', 'bundle.mjs')])
  } catch (error) {
    console.error(error.message)
    for (const child of running) child.kill()
    process.exit(1)
  }
}
