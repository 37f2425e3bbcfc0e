import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import { test } from 'node:test'
import Database from 'better-sqlite3'
import { openReplicaClient } from '../../../src/storage/open.js'
import { cleanUp } from '../../support/clean-up.js'
import { temporaryDirectory } from '../../support/temporary-directory.js'
import { until } from '../../support/until.js'
import { main } from '../run.js'

test('replicate -lease holds the lease while the process runs, and releases the lease at its end', async (t) => {
  const dir = temporaryDirectory(t)
  const file = path.join(dir, 'app.db')
  new Database(file).exec('CREATE TABLE t (v)').close()
  const url = `file://${dir}/replica`
  const child = spawn(process.execPath, [main, 'replicate', '-lease', file, url], { stdio: 'ignore' })
  cleanUp(t, () => child.kill('SIGKILL'))
  const client = await openReplicaClient(url)
  t.after(() => client.close())
  const lock = await until('there is a lease', () => client.getObject('lock.json'), 60_000)
  assert.match(Buffer.from(lock.data).toString(), new RegExp(`:${child.pid}:`))
  const exited = once(child, 'exit')
  child.kill('SIGTERM')
  assert.deepEqual(await exited, [0, null])
  assert.equal(await client.getObject('lock.json'), undefined)
})
