import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { currentNode } from '../../support/current-node.js'
import { makeFixture } from './fixture.js'

test('the same cases on node:sqlite, under a current Node', async (t) => {
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
