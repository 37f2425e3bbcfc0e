import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync } from 'node:fs'
import path from 'node:path'
import { packageRoot } from '../../src/package-files.js'

/**
 * The path of a Node.js binary of another version, which npm fetches once into node_modules/.cache.
 * It is not a dependency, because npm would put its `node` on the path of every script.
 */
export function nodeOfVersion(version: string): string {
  const directory = path.join(packageRoot(), 'node_modules', '.cache', `node-${version}`)
  const name = `node-${process.platform}-${process.arch}`
  const node = path.join(directory, 'node_modules', name, 'bin', 'node')
  if (existsSync(node)) return node
  mkdirSync(directory, { recursive: true })
  const options = ['--no-save', '--no-package-lock', '--no-audit', '--no-fund', '--prefix', directory]
  execFileSync('npm', ['install', ...options, `${name}@${version}`], { stdio: 'pipe' })
  return node
}
