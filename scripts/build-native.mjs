// Compiles the addon for this machine with node-gyp and puts it into build/Release. For checkouts,
// and for platforms without a prebuilt binary. Needs python3, make and a C++17 compiler.
import { spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, renameSync, rmSync } from 'node:fs'
import path from 'node:path'
import { gypEnvironment, nodeGyp } from './node-gyp.mjs'

const root = path.dirname(import.meta.dirname)
const native = path.join(root, 'native')

const [command, ...first] = nodeGyp()
const configured = existsSync(path.join(native, 'build/Makefile')) && !process.argv.includes('--clean')
// A configured tree is only brought up to date; `configure` is repeated because it is cheap and
// notices a changed binding.gyp.
for (const step of configured ? ['configure', 'build'] : ['rebuild']) {
  const args = [...first, step, '--directory', native, '-j', 'max']
  const shell = command.endsWith('.cmd')
  const run = spawnSync(command, args, { cwd: native, env: gypEnvironment(), stdio: 'inherit', shell })
  if (run.status !== 0) process.exit(run.status ?? 1)
}

// Renamed into its place: a process that has the old one loaded keeps it.
const out = path.join(root, 'build/Release/litestream.node')
mkdirSync(path.dirname(out), { recursive: true })
rmSync(`${out}.new`, { force: true })
copyFileSync(path.join(native, 'build/Release/litestream.node'), `${out}.new`)
renameSync(`${out}.new`, out)
