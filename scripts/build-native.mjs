// Compiles the addon with node-gyp. Node's own headers are used when they are installed beside it (Debian, nvm, the official
// tarballs), so that nothing has to be downloaded; otherwise node-gyp finds or fetches them as it always does.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import path from 'node:path'

const root = path.dirname(import.meta.dirname)
const prefix = path.resolve(path.dirname(process.execPath), '..')
const env = { ...process.env }
if (!env.npm_config_nodedir && existsSync(path.join(prefix, 'include/node/node_api.h'))) env.npm_config_nodedir = prefix

const gyp = env.npm_config_node_gyp
if (!gyp) {
  console.error('build-native: npm did not name its node-gyp; run this as `npm run build:native`')
  process.exit(1)
}
const configured = existsSync(path.join(root, 'build/Makefile')) && !process.argv.includes('--clean')
// A configured tree is only brought up to date; `configure` is repeated because it is cheap and notices a changed binding.gyp.
const args = configured ? ['configure', 'build'] : ['rebuild']
for (const step of configured ? args.map((a) => [a]) : [args]) {
  const run = spawnSync(process.execPath, [gyp, ...step, '-j', 'max'], { cwd: root, env, stdio: 'inherit' })
  if (run.status !== 0) process.exit(run.status ?? 1)
}
