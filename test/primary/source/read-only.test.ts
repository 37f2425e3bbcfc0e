// A database, a replica or an output on a file system that is mounted read-only: the error says so,
// whatever SQLite makes of it.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import { replicateOnce } from '../../../src/primary/replicate-once.js'
import { run } from '../../cli/run.js'
import { smallFileSystem } from '../../support/small-file-system.js'
import { temporaryDirectory } from '../../support/temporary-directory.js'

/**
 * A database in each state in which a process can have left it. `-killed`: with its -wal and -shm
 * files.
 */
const STATES = ['wal', 'delete', 'wal-killed'] as const

function make(file: string, state: (typeof STATES)[number]): void {
  const driver = import.meta.resolve('better-sqlite3')
  const script = `
    const { default: Database } = await import(${JSON.stringify(driver)})
    const db = new Database(${JSON.stringify(file)})
    db.pragma('journal_mode = ${state === 'delete' ? 'delete' : 'wal'}')
    db.exec('CREATE TABLE t (v); INSERT INTO t VALUES (1)')
    ${state === 'wal-killed' ? "process.kill(process.pid, 'SIGKILL')" : 'db.close()'}`
  const { stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' })
  assert.equal(stderr, '')
}

function readOnlyDisk(t: TestContext, dir: string, fill: (disk: string) => void): string {
  const disk = path.join(dir, 'disk')
  const mounted = smallFileSystem(t, disk, '8m')
  assert.ok(mounted, 'a disk of our own needs root, as the servers of the tests do')
  fill(disk)
  mounted.makeReadOnly()
  return disk
}

for (const state of STATES) {
  test(`the error for a database on a read-only file system says that the file system is read-only: ${state}`, async (t) => {
    const dir = temporaryDirectory(t)
    const disk = readOnlyDisk(t, dir, (place) => make(path.join(place, 'app.db'), state))
    await assert.rejects(replicateOnce(path.join(disk, 'app.db'), `file://${dir}/replica`), {
      code: 'ACCESS_DENIED',
      message: /app\.db: .* the file system of the database is mounted read-only/,
      hint: /Remount the file system writable/,
    })
  })
}

test('the errors for a replica and an output on a read-only file system say that the file system is read-only', async (t) => {
  const dir = temporaryDirectory(t)
  const file = path.join(dir, 'app.db')
  make(file, 'wal')
  await replicateOnce(file, `file://${dir}/replica`)
  const disk = readOnlyDisk(t, dir, (place) => mkdirSync(path.join(place, 'replica')))
  await assert.rejects(replicateOnce(file, `file://${disk}/replica`), { code: 'ACCESS_DENIED', hint: /read-only/ })
  for (const command of ['restore', 'hydrate']) {
    const { status, stderr } = await run([command, '-o', path.join(disk, 'out.db'), `file://${dir}/replica`])
    assert.equal(status, 1)
    assert.match(stderr, /^Error: .*out\.db[^\n]*\nTry: Mount the file system writable[^\n]*\n$/)
  }
})
