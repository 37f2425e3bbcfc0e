import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import path from 'node:path'
import { test } from 'node:test'

test('the demo runs to its end, and the results that the demo compares are equal', () => {
  const root = path.resolve(import.meta.dirname, '../..')
  const stdout = execFileSync(process.execPath, ['scripts/demo.mjs'], {
    cwd: root,
    encoding: 'utf8',
    env: { ...process.env, DEMO_SECONDS: '2' },
  })
  assert.match(stdout, /\nAll agree\.\n$/)
  assert.equal(stdout.match(/^ {3}equal /gm)?.length, 4)
})
