import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, readlinkSync, realpathSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import path from 'node:path'
import { test } from 'node:test'
import { isLitestreamError } from '../../src/errors.js'
import { writeDurably } from '../../src/fs/durable.js'
import { resolveTarget } from '../../src/fs/target.js'
import { temporaryDirectory } from '../support/temporary-directory.js'

async function refused(file: string, what: RegExp): Promise<void> {
  await assert.rejects(resolveTarget(file), (error) => {
    assert.ok(isLitestreamError(error, 'OUTPUT_EXISTS'), String(error))
    assert.match(error.message, what)
    assert.ok(error.hint)
    return true
  })
}

test('a restore target must be a regular file: a directory, FIFO, socket or device is refused without being opened', async (t) => {
  const dir = temporaryDirectory(t)
  await refused(dir, /is a directory/)
  execFileSync('mkfifo', [path.join(dir, 'fifo')])
  await refused(path.join(dir, 'fifo'), /is a FIFO/)
  symlinkSync('fifo', path.join(dir, 'to-fifo'))
  await refused(path.join(dir, 'to-fifo'), /is a FIFO/)
  execFileSync('mknod', [path.join(dir, 'null'), 'c', '1', '3'])
  await refused(path.join(dir, 'null'), /is a character device/)
  const server = createServer().listen(path.join(dir, 'socket'))
  t.after(() => server.close())
  await new Promise((resolve) => server.once('listening', resolve))
  await refused(path.join(dir, 'socket'), /is a socket/)
})

test('a restore target that is a dangling link, a loop of links, or a link to a descriptor of a process is refused', async (t) => {
  const dir = temporaryDirectory(t)
  symlinkSync('absent', path.join(dir, 'dangling'))
  await refused(path.join(dir, 'dangling'), /symbolic link to .*absent, which does not exist/)
  symlinkSync('b', path.join(dir, 'a'))
  symlinkSync('a', path.join(dir, 'b'))
  await refused(path.join(dir, 'a'), /in a loop/)
  symlinkSync('/proc/self/fd/1', path.join(dir, 'stdout'))
  await refused(path.join(dir, 'stdout'), /open file of a process/)
  await refused('/proc/self/fd/1', /open file of a process/)
})

test('the restore target is the file at the end of all links, even if the path has a linked folder and `..`', async (t) => {
  const dir = realpathSync(temporaryDirectory(t))
  mkdirSync(path.join(dir, 'deep/folder'), { recursive: true })
  writeFileSync(path.join(dir, 'deep/real'), 'old')
  symlinkSync('deep/folder', path.join(dir, 'folder'))
  // After resolving the link, `folder/..` is `deep`.
  symlinkSync('folder/../real', path.join(dir, 'one'))
  symlinkSync('one', path.join(dir, 'two'))
  const { path: real, stats } = await resolveTarget(path.join(dir, 'two'))
  assert.deepEqual([real, stats?.size], [path.join(dir, 'deep/real'), 3])
  assert.deepEqual(await resolveTarget(path.join(dir, 'folder/new')), {
    path: path.join(dir, 'deep/folder/new'),
    stats: undefined,
  })
  await writeDurably(path.join(dir, 'two'), Buffer.from('new'), {})
  assert.equal(readFileSync(path.join(dir, 'deep/real'), 'utf8'), 'new')
  assert.deepEqual(
    [readlinkSync(path.join(dir, 'two')), readlinkSync(path.join(dir, 'one'))],
    ['one', 'folder/../real'],
  )
})
