import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { packageRoot } from '../../src/package-files.js'

const folder = path.join(packageRoot(), 'scripts')
const scripts = readdirSync(folder).filter(
  (name) => name.endsWith('.mjs') && readFileSync(path.join(folder, name), 'utf8').includes('// usage: '),
)

function run(script: string, ...args: string[]) {
  return spawnSync(process.execPath, [path.join(folder, script), ...args], { encoding: 'utf8' })
}

test('each script that has a usage text prints the text for -h and --help, and does nothing else', () => {
  assert.ok(scripts.length >= 9, scripts.join(', '))
  for (const script of scripts) {
    for (const flag of ['-h', '--help']) {
      const { status, stdout, stderr } = run(script, flag)
      assert.deepEqual([status, stderr], [0, ''], script)
      assert.match(stdout, /^usage: (npm|node) /m)
      assert.doesNotMatch(stdout, /^(import|\/\/)/m)
    }
  }
})

test('each script refuses an unknown option, a missing value and a wrong number with one line of output and status 2', () => {
  const refuses = (script: string, args: readonly string[], line: RegExp) => {
    const { status, stdout, stderr } = run(script, ...args)
    assert.equal(status, 2, script)
    assert.equal(stdout, '')
    assert.match(stderr, /^[^\n]+; -h prints the usage\n$/)
    assert.match(stderr, line)
  }
  for (const script of scripts) refuses(script, ['--no-such'], /unknown option '--no-such'/)
  refuses('fuzz.mjs', ['--seconds'], /'--seconds <value>' argument missing/)
  refuses('histories.mjs', ['--seconds', '0'], /--seconds must be a whole number from 1, not '0'/)
  refuses('histories.mjs', ['--store', 'x'], /--store must be one of file, s3, nats, not 'x'/)
  refuses('interop.mjs', ['--seed', '99999999999'], /--seed must be a whole number/)
  refuses('fuzz.mjs', ['nothing'], /unknown argument 'nothing'; there are /)
  refuses('drivers.mjs', ['oracle'], /unknown argument 'oracle'; there are better-sqlite3, /)
  refuses('sanitize.mjs', ['memory'], /the first argument must be one of address, undefined, thread/)
})
