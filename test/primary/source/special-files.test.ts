// A path of a database that names something else than a regular file.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { lstatSync, mkdirSync, readdirSync } from 'node:fs'
import { createServer } from 'node:net'
import path from 'node:path'
import { test } from 'node:test'
import { replicateOnce } from '../../../src/primary/replicate-once.js'
import { cleanUp } from '../../support/clean-up.js'
import { temporaryDirectory } from '../../support/temporary-directory.js'

test('a primary refuses a device, FIFO, socket or directory as database, and writes neither to this path nor to its folder', async (t) => {
  const dir = temporaryDirectory(t)
  const place = path.join(dir, 'data')
  mkdirSync(path.join(place, 'a directory'), { recursive: true })
  execFileSync('mkfifo', [path.join(place, 'a FIFO')])
  // /dev/zero and a block device without a driver: SQLite writes to the first, if it may.
  execFileSync('mknod', [path.join(place, 'a character device'), 'c', '1', '5'])
  execFileSync('mknod', [path.join(place, 'a block device'), 'b', '0', '0'])
  const server = createServer().listen(path.join(place, 'a socket'))
  cleanUp(t, () => server.close())
  const names = readdirSync(place)
  assert.equal(names.length, 5)
  for (const kind of names) {
    const database = path.join(place, kind)
    const { mode } = lstatSync(database)
    await assert.rejects(replicateOnce(database, `file://${dir}/replica`), {
      code: 'DATABASE_INVALID',
      message: new RegExp(`data/${kind} is ${kind}`),
      hint: /^Give the path of a database file/,
    })
    assert.equal(lstatSync(database).mode, mode)
  }
  assert.deepEqual(readdirSync(place), names)
})
