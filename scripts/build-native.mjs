// Compiles the addon for this machine with node-gyp and puts it into build/Release. For checkouts,
// and for platforms without a prebuilt binary. Needs python3, make and a C++17 compiler.
//
// Node's own headers are used if they are installed beside it (Debian, nvm, the official tarballs),
// so that nothing is downloaded; otherwise node-gyp finds or fetches them.
import { spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, renameSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'

const root = path.dirname(import.meta.dirname)
const native = path.join(root, 'native')
const prefix = path.resolve(path.dirname(process.execPath), process.platform === 'win32' ? '.' : '..')
const env = { ...process.env }
if (!env.npm_config_nodedir && existsSync(path.join(prefix, 'include/node/node_api.h'))) env.npm_config_nodedir = prefix

/**
 * node-gyp as [command, ...arguments]: npm's while npm runs this, an installed one, the one on
 * PATH, the one inside npm.
 */
function nodeGyp() {
  if (env.npm_config_node_gyp) return [process.execPath, env.npm_config_node_gyp]
  const inside = ['lib/node_modules/npm', 'node_modules/npm', 'share/nodejs/npm', 'share/npm'].map((npm) =>
    path.join(prefix, npm, 'node_modules/node-gyp/bin/node-gyp.js'),
  )
  try {
    return [process.execPath, createRequire(import.meta.url).resolve('node-gyp/bin/node-gyp.js')]
  } catch (error) {
    if (error.code !== 'MODULE_NOT_FOUND') throw error
  }
  const name = process.platform === 'win32' ? 'node-gyp.cmd' : 'node-gyp'
  const onPath = (env.PATH ?? '').split(path.delimiter).map((dir) => path.join(dir, name))
  const found = onPath.find((file) => existsSync(file))
  if (found) return [found]
  const script = inside.find((file) => existsSync(file))
  if (script) return [process.execPath, script]
  console.error('build-native: node-gyp was not found. Install it (`npm install -g node-gyp`), then run this again.')
  process.exit(1)
}

const [command, ...first] = nodeGyp()
const configured = existsSync(path.join(native, 'build/Makefile')) && !process.argv.includes('--clean')
// A configured tree is only brought up to date; `configure` is repeated because it is cheap and
// notices a changed binding.gyp.
for (const step of configured ? ['configure', 'build'] : ['rebuild']) {
  const args = [...first, step, '--directory', native, '-j', 'max']
  const run = spawnSync(command, args, { cwd: native, env, stdio: 'inherit', shell: command.endsWith('.cmd') })
  if (run.status !== 0) process.exit(run.status ?? 1)
}

// Renamed into its place: a process that has the old one loaded keeps it.
const out = path.join(root, 'build/Release/litestream.node')
mkdirSync(path.dirname(out), { recursive: true })
rmSync(`${out}.new`, { force: true })
copyFileSync(path.join(native, 'build/Release/litestream.node'), `${out}.new`)
renameSync(`${out}.new`, out)
