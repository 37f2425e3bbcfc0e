import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import { replicate } from '../../src/primary/replicate.js'
import { cleanUp } from '../support/clean-up.js'
import { temporaryDirectory } from '../support/temporary-directory.js'
import { until } from '../support/until.js'

interface Warned extends Error {
  readonly code?: string
  readonly detail?: string
}

function warnings(t: TestContext): Warned[] {
  const all: Warned[] = []
  const note = (warning: Error) => {
    if (warning.name === 'LitestreamWarning') all.push(warning as Warned)
  }
  process.on('warning', note)
  cleanUp(t, () => process.off('warning', note))
  return all
}

const OPTIONS = { monitorInterval: 5, syncInterval: 5, shutdownSyncTimeout: 0 }

test('without an event listener, a database that is not replicated causes one process warning with the next step', async (t) => {
  const all = warnings(t)
  const dir = temporaryDirectory(t)
  const missing = await replicate(path.join(dir, 'typo.db'), `file://${dir}/one`, OPTIONS)
  cleanUp(t, () => missing.close())
  const invalid = path.join(dir, 'text.db')
  writeFileSync(invalid, 'no database '.repeat(1000))
  const failing = await replicate(invalid, `file://${dir}/two`, OPTIONS)
  cleanUp(t, () => failing.close().catch((error: Error) => assert.match(error.message, /not an SQLite database/)))
  await until('both are warned of', () => all.length === 2)
  const found = all.map(({ code, message, detail }) => [code, /is not backed up/.test(message), (detail ?? '') !== ''])
  assert.deepEqual(found.sort(), [
    ['DATABASE_INVALID', true, true],
    ['NOT_FOUND', true, true],
  ])
})

test('if a program listens to the missing event or sets allowMissing, a missing database causes no process warning', async (t) => {
  const all = warnings(t)
  const dir = temporaryDirectory(t)
  const allowed = await replicate(path.join(dir, 'later.db'), `file://${dir}/one`, { ...OPTIONS, allowMissing: true })
  cleanUp(t, () => allowed.close())
  const heard: string[] = []
  const missing = await replicate(path.join(dir, 'typo.db'), `file://${dir}/two`, OPTIONS)
  cleanUp(t, () => missing.close())
  missing.on('missing', ({ db }) => heard.push(path.basename(db)))
  await until('the event comes', () => heard.length === 1)
  assert.deepEqual(all, [])
})
