import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync } from 'node:fs'
import path from 'node:path'
import type { TestContext } from 'node:test'
import { packageRoot } from '../../src/package-files.js'

/**
 * A file of a package that tests run but that is no dependency: npm fetches the package once into .cache/tools, and runs none
 * of its scripts. Throws what npm says if it cannot be fetched.
 */
export function fileOfTool(name: string, version: string, file: string): string {
  const folder = `${name.replaceAll('/', '-').replace('@', '')}-${version}`
  const directory = path.join(packageRoot(), '.cache', 'tools', folder)
  const wanted = path.join(directory, 'node_modules', name, file)
  if (existsSync(wanted)) return wanted
  mkdirSync(directory, { recursive: true })
  const options = [
    '--no-save',
    '--no-package-lock',
    '--no-audit',
    '--no-fund',
    '--ignore-scripts',
    '--prefix',
    directory,
  ]
  execFileSync('npm', ['install', ...options, `${name}@${version}`], { stdio: 'pipe' })
  return wanted
}

/** As `find`, or undefined and a line in the output if npm cannot fetch the tool. */
export function ifObtainable(t: TestContext, what: string, find: () => string): string | undefined {
  try {
    return find()
  } catch (error) {
    const reason = String((error as { stderr?: Buffer }).stderr ?? error).split('\n', 1)[0]
    t.diagnostic(`not tested with ${what}, which npm cannot fetch: ${reason}`)
    return undefined
  }
}
