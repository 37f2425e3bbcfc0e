// A file system becomes read-only while a primary uses it: the primary reports that as an error, and
// continues without a restart when the file system is writable again.
import assert from 'node:assert/strict'
import { mkdirSync, rmSync } from 'node:fs'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import Database from 'better-sqlite3'
import type { PrimaryOptions } from '../../src/primary/sync-options.js'
import { cleanUp } from '../support/clean-up.js'
import { notRun } from '../support/not-run.js'
import { readOnlyOver } from '../support/small-file-system.js'
import { temporaryDirectory } from '../support/temporary-directory.js'
import { until } from '../support/until.js'
import { PrimaryChild } from './primary-child.js'
import { assertReplicaEquals } from './restored.js'

const NOT_MOUNTED = ['a folder that is mounted read-only', 'this user must not mount'] as const

async function fixture(t: TestContext, dir: string, url: string, options: Partial<PrimaryOptions> = {}) {
  const file = path.join(dir, 'app.db')
  const app = new Database(file)
  cleanUp(t, () => app.close())
  app.pragma('journal_mode = wal')
  app.exec('CREATE TABLE t (v BLOB)')
  const write = () => app.exec('INSERT INTO t VALUES (randomblob(3000))')
  const primary = new PrimaryChild(t, file, url, options)
  await primary.sync()
  const failed = (operation: string) =>
    until(`${operation} fails`, () => primary.of('error').find((event) => event.operation === operation))
  const recovered = (operation: string) =>
    until(`${operation} recovers`, () => primary.of('recover').some((event) => event.operation === operation), 90_000)
  const follows = async () => {
    write()
    await primary.sync()
    await assertReplicaEquals(url, file)
  }
  return { file, app, primary, write, failed, recovered, follows }
}

const assertReadOnly = (event: { readonly [key: string]: unknown }) => {
  const { code, message } = event.error as { code: string; message: string }
  assert.equal(code, 'ACCESS_DENIED', message)
}

test('if the replica becomes read-only, uploads fail with an error, and uploads continue when the replica is writable again', async (t) => {
  const dir = temporaryDirectory(t)
  const { primary, write, failed, recovered, follows } = await fixture(t, dir, `file://${dir}/replica`)
  const writable = readOnlyOver(t, path.join(dir, 'replica'))
  if (!writable) return notRun(t, ...NOT_MOUNTED)
  write()
  assertReadOnly(await failed('upload'))
  writable()
  await recovered('upload')
  await follows()
  assert.equal(await primary.stop(), 0)
})

test('if the folder of the database becomes read-only, commits of connections that are already open are still replicated', async (t) => {
  const dir = temporaryDirectory(t)
  const place = path.join(dir, 'data')
  mkdirSync(place)
  const url = `file://${dir}/replica`
  const options = { metaPath: path.join(dir, 'state') }
  const { file, app, primary, write, failed, recovered } = await fixture(t, place, url, options)
  const writable = readOnlyOver(t, place)
  if (!writable) return notRun(t, ...NOT_MOUNTED)
  write()
  await primary.sync()
  await assertReplicaEquals(url, file)
  // Now the primary has to open the database again, for which it must create a file.
  writable()
  app.close()
  rmSync(`${file}-shm`)
  const writableAgain = readOnlyOver(t, place)!
  assertReadOnly(await failed('sync'))
  writableAgain()
  await recovered('sync')
  const later = new Database(file)
  cleanUp(t, () => later.close())
  later.exec('INSERT INTO t VALUES (1)')
  await primary.sync()
  await assertReplicaEquals(url, file)
  assert.equal(await primary.stop(), 0)
})

test('if the state folder becomes read-only, the primary reports an error, and replicates again when the folder is writable', async (t) => {
  const dir = temporaryDirectory(t)
  const url = `file://${dir}/replica`
  const state = path.join(dir, 'state')
  const { primary, write, failed, recovered, follows } = await fixture(t, dir, url, { metaPath: state })
  const writable = readOnlyOver(t, state)
  if (!writable) return notRun(t, ...NOT_MOUNTED)
  write()
  assertReadOnly(await failed('sync'))
  writable()
  await recovered('sync')
  await follows()
  assert.equal(await primary.stop(), 0)
})
