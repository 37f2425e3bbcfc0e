// Compiles better-sqlite3 of a checkout, which has no binary for Node.js 20 that npm could install.
// A checkout needs it soon rather than fast: SQLite takes three times as long to compile with -O3
// as with -O1. `--optimized` compiles with better-sqlite3's own settings; benchmarks need that.
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
  // What is in CFLAGS comes after the project's own flags.
  if (!optimized) for (const name of ['CFLAGS', 'CXXFLAGS']) env[name] = `${env[name] ?? ''} -O1`.trim()
  const args = [...first, 'rebuild', '--release', '--directory', folder, '-j', 'max']
  const run = spawnSync(command, args, { cwd: folder, env, stdio: 'inherit', shell: command.endsWith('.cmd') })
  if (run.status !== 0) {
    console.error('better-sqlite3 could not be compiled: python3, make and a C++ compiler are needed.')
    process.exit(run.status ?? 1)
  }
  if (!optimized) writeFileSync(quickMarker, process.versions.modules)
}
