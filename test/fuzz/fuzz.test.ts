import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { packageRoot } from '../../src/package-files.js'

/** Inputs for each target; `npm run fuzz` is for longer runs. */
const RUNS = '5000'
/** Exit status of scripts/fuzz.mjs where clang cannot be had. */
const NO_CLANG = 3

test('AddressSanitizer and UndefinedBehaviorSanitizer report no fault in any fuzz target', (t) => {
  const targets = readdirSync(path.join(packageRoot(), 'test/fuzz/targets')).filter((file) => file.endsWith('.cc'))
  assert.ok(targets.length > 0)
  const args = ['scripts/fuzz.mjs', '--built', '--runs', RUNS, '--seed', '1']
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: packageRoot(), encoding: 'utf8' })
  if (status === NO_CLANG) {
    t.diagnostic(stderr.trim())
    return
  }
  assert.equal(status, 0, `${stdout}${stderr}`)
  assert.equal(stdout.match(/, no finding$/gm)?.length, targets.length, stdout)
})
