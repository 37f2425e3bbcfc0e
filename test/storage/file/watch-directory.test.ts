import assert from 'node:assert/strict'
import fs, { type FSWatcher, mkdirSync, writeFileSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import { watchDirectory } from '../../../src/storage/file/watch-directory.js'
import { cleanUp } from '../../support/clean-up.js'
import { temporaryDirectory } from '../../support/temporary-directory.js'
import { until } from '../../support/until.js'

/** Every watcher that is made from now on; the watchers are real. */
function collectWatchers(t: TestContext): FSWatcher[] {
  const watchers: FSWatcher[] = []
  const { watch } = fs
  fs.watch = ((...args: Parameters<typeof watch>) => {
    const watcher = watch(...args)
    watchers.push(watcher)
    return watcher
  }) as typeof watch
  syncBuiltinESMExports()
  cleanUp(t, () => {
    fs.watch = watch
    syncBuiltinESMExports()
  })
  return watchers
}

test('if a directory watcher fails, the next check creates a new watcher, and the error handler creates none', async (t) => {
  const directory = temporaryDirectory(t)
  const watchers = collectWatchers(t)
  let changes = 0
  cleanUp(
    t,
    watchDirectory(
      directory,
      () => true,
      () => changes++,
    ),
  )
  for (let failures = 1; failures <= 3; failures++) {
    const watcher = watchers.at(-1)!
    watcher.emit('error', new Error('EIO'))
    watcher.emit('error', new Error('EIO'))
    assert.equal(watchers.length, failures)
    await until('the directory is watched again', () => watchers.length === failures + 1)
    // The change may have happened between the two watchers.
    await until('a change is reported', () => changes === failures)
  }
  writeFileSync(path.join(directory, 'file'), '')
  await until('the new file is reported', () => changes === 4)
})

test('while a watched directory does not exist, changes of other entries of its parent directory are ignored', async (t) => {
  const root = temporaryDirectory(t)
  const watchers = collectWatchers(t)
  let changes = 0
  const directory = path.join(root, 'a', 'b')
  cleanUp(
    t,
    watchDirectory(
      directory,
      () => true,
      () => changes++,
    ),
  )
  for (let i = 0; i < 200; i++) writeFileSync(path.join(root, `other-${i}`), '')
  mkdirSync(path.join(root, 'a'))
  await until('the next ancestor is watched', () => watchers.length === 2)
  mkdirSync(directory)
  await until('the directory is watched', () => watchers.length === 3)
  await until('both are reported', () => changes >= 2)
  const before = changes
  writeFileSync(path.join(directory, 'file'), '')
  await until('the new file is reported', () => changes > before)
  assert.equal(watchers.length, 3)
})
