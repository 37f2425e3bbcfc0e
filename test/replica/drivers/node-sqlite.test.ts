import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { runScript } from '../../support/child.js'
import { currentNode } from '../../support/current-node.js'
import { makeSource } from '../../support/replica.js'
import { makeFixture } from './fixture.js'

test('the test cases of the drivers pass on node:sqlite under a current Node.js', async (t) => {
  const { fixture, live, remove } = await makeFixture()
  try {
    const child = fork(fileURLToPath(new URL('./node-sqlite-child.js', import.meta.url)), {
      execPath: currentNode(),
      execArgv: ['--test-reporter=tap'],
      env: { ...process.env, NODE_TEST_CONTEXT: undefined },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text) => {
        output += text
      })
    }
    child.on('message', (sql) => {
      void live.history.commit(String(sql)).then(() => child.send('done'))
    })
    child.send(fixture)
    const [status] = await once(child, 'close')
    assert.equal(status, 0, output)
    t.diagnostic(output.match(/^# pass .*$/m)?.[0] ?? output)
    assert.match(output, /^# pass 2[0-9]$/m)
  } finally {
    await remove()
  }
})

test('a current Node.js can exit while a replica, a connection and a statement of node:sqlite are open', async (t) => {
  const source = await makeSource(t)
  await source.history.commit('CREATE TABLE t (id INTEGER PRIMARY KEY); INSERT INTO t VALUES (1), (2), (3)')
  const script = `const { openReplica } = await import(src + '/index.js')
    const { DatabaseSync } = await import('node:sqlite')
    const replica = await openReplica(process.env.URL)
    const db = new DatabaseSync(replica.uri, { readOnly: true })
    const rows = db.prepare('SELECT id FROM t').iterate()
    rows.next()
    console.log('read')`
  const child = runScript(t, script, { URL: source.url, NODE_NO_WARNINGS: '1' }, currentNode())
  assert.deepEqual([await child.ended, child.output(), child.errors()], [0, 'read\n', ''])
})
