import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isLitestreamError } from '../../src/errors.js'
import { loadOptionalPackage } from '../../src/storage/optional-package.js'

test('an optional package is loaded if it is installed', () => {
  const { Storage } = loadOptionalPackage<{ Storage: unknown }>({
    name: '@google-cloud/storage',
    neededFor: 'a replica on gs://',
    install: '@google-cloud/storage@7',
  })
  assert.equal(typeof Storage, 'function')
})

test('the error for an optional package that is not installed names the store and contains the install command', () => {
  const load = () =>
    loadOptionalPackage({
      name: '@litestream-ts/not-there',
      neededFor: 'a replica on gs://',
      install: '@litestream-ts/not-there@7',
    })
  assert.throws(load, (error) => {
    assert.ok(isLitestreamError(error, 'PACKAGE_MISSING'))
    assert.equal(error.message, 'a replica on gs:// needs the package @litestream-ts/not-there, which is not installed')
    assert.match(error.hint, /^Run `npm install @litestream-ts\/not-there@7` where litestream-ts is installed/)
    return true
  })
})

test('the error for an optional package that cannot be loaded states the reason', () => {
  // A path stands for a package whose own code fails: this one cannot be parsed.
  const load = () =>
    loadOptionalPackage({ name: 'typescript/bin/../README.md', neededFor: 'a replica on x://', install: 'typescript' })
  assert.throws(load, (error) => {
    assert.ok(isLitestreamError(error, 'PACKAGE_MISSING'))
    assert.match(error.message, /^a replica on x:\/\/ needs the package .*, which cannot be loaded: /)
    return true
  })
})
