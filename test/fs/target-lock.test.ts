import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { isLitestreamError } from '../../src/errors.js'
import { lockPathOf, TargetLock } from '../../src/fs/target-lock.js'
import { cleanUp } from '../support/clean-up.js'
import { temporaryDirectory } from '../support/temporary-directory.js'

const { signal } = new AbortController()

test('a target lock has one holder at a time, even if two callers in one process request the lock', async (t) => {
  const target = path.join(temporaryDirectory(t), 'app.db')
  let holders = 0
  let waited = 0
  const hold = async () => {
    const lock = await TargetLock.acquire(target, { wait: true, signal, onWait: () => waited++ })
    assert.equal(++holders, 1)
    await new Promise((resolve) => setImmediate(resolve))
    holders--
    await lock.release()
  }
  await Promise.all(Array.from({ length: 8 }, hold))
  assert.ok(waited > 0)
  assert.deepEqual(readdirSync(path.dirname(target)), [])
})

test('if another process holds a target lock, the error is OUTPUT_BUSY and names that process', async (t) => {
  const target = path.join(temporaryDirectory(t), 'app.db')
  const child = spawn(process.execPath, [path.join(import.meta.dirname, 'lock-child.js'), target], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  cleanUp(t, () => child.kill('SIGKILL'))
  await once(child.stdout, 'data')
  await assert.rejects(TargetLock.acquire(target, { wait: false, signal }), (error) => {
    assert.ok(isLitestreamError(error, 'OUTPUT_BUSY'))
    assert.match(error.message, new RegExp(`process ${child.pid} `))
    return true
  })
  const stop = new AbortController()
  const waiting = TargetLock.acquire(target, { wait: true, signal: stop.signal })
  stop.abort()
  await assert.rejects(waiting, { code: 'ABORTED' })

  const next = TargetLock.acquire(target, { wait: true, signal })
  child.kill('SIGKILL')
  const lock = await next
  assert.ok(existsSync(lockPathOf(target)))
  await lock.release()
  assert.deepEqual(readdirSync(path.dirname(target)), [])
})

test('a lock file is never created through a link, and a lock file that root created does not lock out the folder’s owner', async (t) => {
  const dir = temporaryDirectory(t)
  const target = path.join(dir, 'app.db')
  writeFileSync(path.join(dir, 'precious'), 'precious')
  symlinkSync('precious', lockPathOf(target))
  await assert.rejects(TargetLock.acquire(target, { wait: false, signal }))
  assert.equal(statSync(path.join(dir, 'precious')).size, 8)
  if (process.geteuid!() !== 0) return
  const { chownSync } = await import('node:fs')
  const other = path.join(dir, 'other.db')
  chownSync(dir, 65534, 65534)
  const lock = await TargetLock.acquire(other, { wait: false, signal })
  assert.equal(statSync(lockPathOf(other)).uid, 65534)
  await lock.release()
})

test('a target lock can be acquired for a file name of 255 bytes', async (t) => {
  const target = path.join(temporaryDirectory(t), `${'ä'.repeat(126)}.db`)
  const lock = await TargetLock.acquire(target, { wait: false, signal })
  await lock.release()
})
