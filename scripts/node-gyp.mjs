// How the scripts call node-gyp.
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'

const prefix = path.resolve(path.dirname(process.execPath), process.platform === 'win32' ? '.' : '..')

/**
 * The environment of node-gyp. Node's own headers are used if they are installed beside it (Debian,
 * nvm, the official tarballs), so that nothing is downloaded; otherwise node-gyp finds or fetches
 * them.
 */
export function gypEnvironment() {
  const env = { ...process.env }
  if (!env.npm_config_nodedir && existsSync(path.join(prefix, 'include/node/node_api.h'))) {
    env.npm_config_nodedir = prefix
  }
  return env
}

/**
 * node-gyp as [command, ...arguments]: npm's while npm runs this, an installed one, the one on
 * PATH, the one inside npm. Exits with status 1 if there is none.
 */
export function nodeGyp() {
  const { env } = process
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
  console.error('node-gyp was not found. Install it (`npm install -g node-gyp`), then run this again.')
  process.exit(1)
}
