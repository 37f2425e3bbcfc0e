import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import test from 'node:test'
import { temporaryDirectory } from '../support/temporary-directory.js'

test('the results of a test run list the failed tests of each test file, and name each file whose process crashed', (t) => {
  const directory = temporaryDirectory(t)
  const file = (name: string, text: string): string => {
    const written = path.join(directory, `${name}.test.mjs`)
    writeFileSync(written, `import test from 'node:test'\n${text}`)
    return written
  }
  const passes = file('passes', `test('a', () => {})`)
  const fails = file(
    'fails',
    `test('b', () => {}); test('c', async (t) => { await t.test('d', () => { throw Error() }) })`,
  )
  const crashes = file('crashes', `test('e', () => {}); process.kill(process.pid, 'SIGKILL')`)
  const results = path.join(directory, 'results')

  const reporter = path.resolve('scripts/file-results.mjs')
  const { NODE_TEST_CONTEXT: _, ...env } = process.env
  const options = ['--test', `--test-reporter=${reporter}`, `--test-reporter-destination=${results}`]
  const run = spawnSync(process.execPath, [...options, passes, fails, crashes], { env })

  assert.equal(run.status, 1)
  const lines = readFileSync(results, 'utf8').trimEnd().split('\n')
  const failed = Object.fromEntries(lines.map((line) => JSON.parse(line)).map((each) => [each.file, each.failed]))
  assert.deepEqual(failed, { [passes]: [], [fails]: ['c'], [crashes]: [crashes] })
})
