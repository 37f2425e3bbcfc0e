import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runScript } from '../../support/child.js'
import { makeSource } from '../../support/replica.js'

// The worker is ended at many moments, in a process of its own: a crash would take the test with
// it.

const START = `
  import { threadId, Worker } from 'node:worker_threads'
  const { openReplica } = await import(src + '/index.js')
  const { default: Database } = await import('better-sqlite3')
  const started = []
  process.on('worker', (worker) => started.push(worker))
  const turns = async (n) => { for (let i = 0; i < n; i++) await new Promise(setImmediate) }
`

test('if the worker is terminated during its start, openReplica() succeeds or fails, and never hangs', async (t) => {
  const { url, history } = await makeSource(t)
  await history.commit('CREATE TABLE t (n); INSERT INTO t VALUES (7)')
  const script = `${START}
    for (let round = 0; round < 24; round++) {
      const opening = openReplica(process.env.URL, { cacheSize: 2 ** 20 + round })
      await turns(1)
      const pause = round * 3
      const ended = new Promise((resolve) => setTimeout(() => resolve(started.at(-1).terminate()), pause))
      const replica = await opening.catch((error) => {
        if (error.code !== 'WORKER_EXITED') throw error
        return undefined
      })
      await replica?.close()
      await ended // an end that comes late must not be the next opening's
    }
    const replica = await openReplica(process.env.URL)
    const db = new Database(replica.uri, { readonly: true })
    console.log(db.prepare('SELECT n FROM t').pluck().get())
    db.close()
    await replica.close()`
  const child = runScript(t, script, { URL: url })
  assert.deepEqual([await child.ended, child.output()], [0, '7\n'], child.errors())
})

test('if a worker is terminated inside native code many times, the process does not crash, and all reads are right', async (t) => {
  const { url, history, directory } = await makeSource(t)
  await history.commit(`CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER, v TEXT);
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 4000)
      INSERT INTO t SELECT i, 1, hex(randomblob(100)) FROM n; CREATE INDEX t_v ON t (v)`)
  for (let i = 0; i < 20; i++) await history.commit(`UPDATE t SET n = 1 WHERE id % 20 = ${i}`)
  // A thread reads without an end, so that the worker is busy with pages, views and a local copy
  // whenever it is ended.
  const script = `${START}
    const replica = await openReplica(process.env.URL, { cacheSize: 1, hydrate: process.env.COPY, pollInterval: 1 })
    const reader = new Worker(\`
      import { createRequire } from 'node:module'
      import { parentPort, workerData } from 'node:worker_threads'
      import(workerData.src + '/index.js').then(({ load }) => {
        const Database = createRequire(workerData.src)('better-sqlite3')
        load(new Database(':memory:'))
        // The worker may be ended while it opens.
        const open = () => {
          try {
            return new Database(workerData.uri, { readonly: true })
          } catch (error) {
            if (error.code !== 'SQLITE_CANTOPEN') throw error
            return open()
          }
        }
        const db = open()
        db.pragma('cache_size=5')
        // The first thread that notices the exit restarts the worker.
        let worker
        process.on('worker', (started) => { worker = started })
        // It ends between two reads: better-sqlite3 ends the process when its thread is terminated while it throws.
        let stopped = false
        parentPort.on('message', (what) => {
          if (what === 'stop') stopped = true
          else worker?.terminate()
        })
        const next = () => {
          if (stopped) process.exit(0)
          try {
            const sum = db.prepare('SELECT sum(t.n) FROM t INDEXED BY t_v').pluck().get()
            parentPort.postMessage(sum)
            db.prepare("SELECT litestream_set_time(?)").get(Math.random() < 0.5 ? 'LATEST' : '000000000000000' + (1 + Math.floor(Math.random() * 9)))
          } catch (error) {
            parentPort.postMessage(error.code)
          }
          setImmediate(next)
        }
        next()
      })\`, { eval: true, workerData: { uri: replica.uri, src } })
    let right = 0
    const others = new Set()
    reader.on('message', (message) => message === 4000 ? right++ : others.add(message))
    let kills = 0
    while (kills < 8) {
      const worker = started.findLast((each) => each !== reader && each.threadId > 0)
      const before = right
      await turns(kills * 7 % 30)
      if (worker) await worker.terminate()
      else reader.postMessage('end it')
      kills++
      if (kills % 4 === 0) while (right === before) await new Promise((resolve) => setTimeout(resolve, 5))
      else await turns(20)
    }
    const ended = new Promise((resolve) => reader.once('exit', resolve))
    reader.postMessage('stop')
    await ended
    console.log(JSON.stringify([...others].filter((each) => !/^SQLITE_(IOERR|ERROR)/.test(each))))
    process.exit(0)`
  const child = runScript(t, script, { URL: url, COPY: `${directory}/copy.db` })
  assert.deepEqual([await child.ended, child.output()], [0, '[]\n'], child.errors())
})
