// Compiles better-sqlite3 in a checkout: npm has no binary of it for Node.js 20. With -O1, because
// SQLite takes three times as long to compile with -O3. `--optimized` compiles with better-sqlite3's
// own settings, which benchmarks need.
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { gypEnvironment, nodeGyp } from './node-gyp.mjs'

const folder = path.join(path.dirname(import.meta.dirname), 'node_modules/better-sqlite3')
const binary = path.join(folder, 'build/Release/better_sqlite3.node')
/** Exists beside a binary that was compiled with -O1, and names the ABI of Node.js. */
const quickMarker = path.join(folder, 'build/Release/quick')
const optimized = process.argv.includes('--optimized')

const isQuick = existsSync(quickMarker)
const isThere = existsSync(binary) && !(isQuick && readFileSync(quickMarker, 'utf8') !== process.versions.modules)
if (!isThere || (optimized && isQuick)) {
  const [command, ...first] = nodeGyp()
  const env = gypEnvironment()
  // The compiler gets CFLAGS after better-sqlite3's own flags, and the last -O counts.
  if (!optimized) for (const name of ['CFLAGS', 'CXXFLAGS']) env[name] = `${env[name] ?? ''} -O1`.trim()
  const args = [...first, 'rebuild', '--release', '--directory', folder, '-j', 'max']
  const run = spawnSync(command, args, { cwd: folder, env, stdio: 'inherit', shell: command.endsWith('.cmd') })
  if (run.status !== 0) {
    console.error('better-sqlite3 could not be compiled: python3, make and a C++ compiler are needed.')
    process.exit(run.status ?? 1)
  }
  if (!optimized) writeFileSync(quickMarker, process.versions.modules)
}
