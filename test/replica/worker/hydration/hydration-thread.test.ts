// The thread that writes local copies: its priority, and its end with the worker's.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { runScript } from '../../../support/child.js'
import { makeSource, openTestReplica } from '../../../support/replica.js'

// Several reads of a file, each of more than a thread writes in an instant.
const SEED = `CREATE TABLE t (id INTEGER PRIMARY KEY, v BLOB);
  WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)
    INSERT INTO t SELECT i, randomblob(3500) FROM n;`

const START = `
  import { readdirSync, readFileSync } from 'node:fs'
  const { openReplica } = await import(src + '/index.js')
  const started = []
  process.on('worker', (worker) => started.push(worker))
  const { URL: url, COPY } = process.env
  /** The nice values of this process's threads that write copies, and of its others. */
  const priorities = () => {
    const [background, others] = [[], new Set()]
    for (const thread of readdirSync('/proc/self/task')) {
      const fields = readFileSync('/proc/self/task/' + thread + '/stat', 'utf8')
      const nice = Number(fields.slice(fields.lastIndexOf(')') + 2).split(' ')[16])
      if (fields.includes('(ls-background)')) background.push(nice)
      else others.add(nice)
    }
    return { background, others: [...others] }
  }
`

test('one low-priority thread writes all local copies, and ends with the worker', async (t) => {
  const { url, history, directory } = await makeSource(t)
  await history.commit(SEED)
  const script = `${START}
    const first = await openReplica(url, { hydrate: COPY })
    const second = await openReplica(url, { hydrate: COPY + '-2', cacheSize: 2 ** 20 })
    await Promise.all([first.whenHydrated(), second.whenHydrated()])
    const { background, others } = priorities()
    await started[0].terminate()
    console.log(JSON.stringify([background.map((nice) => nice - others[0]), others.length, priorities().background.length]))
    process.exit(0)`
  const child = runScript(t, script, { URL: url, COPY: path.join(directory, 'copy.db') })
  assert.deepEqual([await child.ended, child.output()], [0, '[[10],1,0]\n'], child.errors())
})

test('if the worker or the process ends during a write to a local copy, no crash follows, and the next worker continues', async (t) => {
  const { url, history, directory } = await makeSource(t)
  await history.commit(SEED)
  const copy = path.join(directory, 'copy.db')
  const script = `${START}
    for (let round = 0; round < 6; round++) {
      const replica = await openReplica(url, { hydrate: COPY + round, cacheSize: 2 ** 20 + round })
      replica.whenHydrated().catch(() => {})
      while (replica.stats().hydration < round / 6) await new Promise(setImmediate)
      await started.at(-1).terminate()
      if (priorities().background.length > 0) throw new Error('a thread was left')
      await replica.close()
    }
    const replica = await openReplica(url, { hydrate: COPY })
    while (replica.stats().hydration < 0.2) await new Promise(setImmediate)
    process.exit(0)`
  const child = runScript(t, script, { URL: url, COPY: copy })
  assert.deepEqual([await child.ended, child.output()], [0, ''], child.errors())
  const replica = await openTestReplica(t, url, { hydrate: copy })
  await replica.whenHydrated()
  assert.ok(readFileSync(copy).subarray(0, history.bytes.length).equals(history.bytes))
})

test('native code creates no promise for a worker that is being terminated', async (t) => {
  const script = `
    import { openSync } from 'node:fs'
    import { Worker } from 'node:worker_threads'
    const { addonPath } = await import(src + '/native/addon.js')
    const code = \`
      const { parentPort, workerData } = require('node:worker_threads')
      const native = require(workerData)
      const none = [new Uint32Array(0), new Uint8Array(0), new Uint8Array(0)]
      parentPort.postMessage('begun')
      for (;;) native.writePages(0, 512, ...none)\`
    for (let round = 0; round < 40; round++) {
      const worker = new Worker(code, { eval: true, execArgv: [], workerData: addonPath() })
      await new Promise((resolve) => worker.once('message', resolve))
      await worker.terminate()
    }
    process.exit(0)`
  const child = runScript(t, script, {})
  assert.deepEqual([await child.ended, child.output()], [0, ''], child.errors())
})
