import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type ReleasedVersion, released } from '../support/released.js'

for (const version of ['0.5.17', '0.3.13'] satisfies ReleasedVersion[]) {
  test(`the released program that tests run says that it is ${version}`, async (t) => {
    const official = released(t, version)
    if (!official) return
    assert.match(await official.succeed(['version']), new RegExp(`^v?${version.replaceAll('.', '\\.')}\\s*$`))
  })
}
