import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { constants, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import path from 'node:path'
import { test } from 'node:test'
import { isLitestreamError } from '../../src/errors.js'
import { openRegular, readRegular } from '../../src/fs/open-regular.js'
import { openRegularSync, readRegularSync } from '../../src/fs/open-regular-sync.js'
import { cleanUp } from '../support/clean-up.js'
import { temporaryDirectory } from '../support/temporary-directory.js'

const FLAGS = [constants.O_RDONLY, constants.O_WRONLY, constants.O_RDWR, constants.O_RDWR | constants.O_CREAT]

const refused = (kind: string) => (error: unknown) =>
  isLitestreamError(error, 'STORAGE_FAILED') && error.message.includes(`is ${kind}, not a`) && error.hint !== undefined

test('openRegular fails immediately for a FIFO, a socket, or a link to a FIFO or socket, both for reading and for writing', async (t) => {
  const dir = temporaryDirectory(t)
  const [fifo, socket] = [path.join(dir, 'fifo'), path.join(dir, 'socket')]
  execFileSync('mkfifo', [fifo])
  const server = createServer().listen(socket)
  cleanUp(t, () => new Promise<void>((done) => server.close(() => done())))
  await once(server, 'listening')
  for (const [target, kind] of [
    [fifo, 'a FIFO'],
    [socket, 'a socket'],
  ] as const) {
    const link = `${target}-link`
    symlinkSync(target, link)
    for (const file of [target, link]) {
      for (const flags of FLAGS) {
        await assert.rejects(openRegular(file, flags), refused(kind), `${kind} ${flags}`)
        assert.throws(() => openRegularSync(file, flags), refused(kind), `${kind} ${flags}`)
      }
      await assert.rejects(readRegular(file), refused(kind))
      assert.throws(() => readRegularSync(file), refused(kind))
    }
  }
})

test('openRegular refuses a directory, and throws the operating system’s errors unchanged', async (t) => {
  const dir = temporaryDirectory(t)
  await assert.rejects(openRegular(dir), refused('a directory'))
  assert.throws(() => openRegularSync(dir), refused('a directory'))
  await assert.rejects(openRegular(path.join(dir, 'none')), { code: 'ENOENT' })
  const loop = path.join(dir, 'loop')
  symlinkSync(loop, loop)
  assert.throws(() => openRegularSync(loop), { code: 'ELOOP' })
})

test('openRegular reads a whole regular file up to the size limit, directly or through a link', async (t) => {
  const dir = temporaryDirectory(t)
  const file = path.join(dir, 'file')
  const link = path.join(dir, 'link')
  writeFileSync(file, 'four')
  symlinkSync(file, link)
  mkdirSync(path.join(dir, 'sub'))
  const { handle, stats } = await openRegular(link)
  await handle.close()
  assert.equal(stats.size, 4)
  assert.equal(String(await readRegular(link, 4)), 'four')
  assert.equal(String(readRegularSync(file, 4)), 'four')
  await assert.rejects(readRegular(file, 3), /has 4 bytes; the limit is 3 bytes/)
  assert.throws(() => readRegularSync(file, 3), /has 4 bytes; the limit is 3 bytes/)
})
