import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type ReleasedVersion, released } from '../support/released.js'

for (const version of ['0.5.17', '0.3.13'] satisfies ReleasedVersion[]) {
  test(`the released Litestream program that the tests run reports version ${version}`, async (t) => {
    const official = released(t, version)
    if (!official) return
    assert.match(await official.succeed(['version']), new RegExp(`^v?${version.replaceAll('.', '\\.')}\\s*$`))
  })
}
