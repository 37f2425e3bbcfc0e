import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { TestContext } from 'node:test'
import { test } from 'node:test'
import { type Child, runScript } from '../../../support/child.js'
import { cleanUp } from '../../../support/clean-up.js'
import type { Fault } from '../../../support/faults.js'
import { startProxyProcess } from '../../../support/proxy-process.js'
import { s3Bucket, s3Server, s3Url } from '../../../support/s3.js'
import { until } from '../../../support/until.js'
import { emptyReplicaUrl, restoredDatabase } from '../../../support/written-replica.js'

// The replica worker is terminated during commits, in a process of its own. A second thread
// commits, because COMMIT blocks its thread and the main thread terminates the worker. It inserts
// 1, 2, … and reports each as `ok`, `unknown` or `refused`; after a failure it opens a connection
// again, which starts a new worker, and reports whether the row is there.
const SCRIPT = `
  import { Worker } from 'node:worker_threads'
  import { createInterface } from 'node:readline'
  const { openReplica } = await import(src + '/index.js')
  const { default: Database } = await import('better-sqlite3')
  const started = []
  process.on('worker', (worker) => started.push(worker))
  const replica = await openReplica(process.env.URL, { write: { lease: false }, pollInterval: '10m' })
  const db = new Database(replica.uri)
  db.exec('CREATE TABLE t (x INTEGER PRIMARY KEY)')
  db.close()
  const writer = new Worker(\`
    import { createRequire } from 'node:module'
    import { parentPort, workerData } from 'node:worker_threads'
    const { load } = await import(workerData.src + '/index.js')
    const Database = createRequire(workerData.src)('better-sqlite3')
    load(new Database(':memory:'))
    process.on('worker', (worker) => { restarted = worker })
    let restarted
    const open = () => {
      for (;;) {
        try {
          return new Database(workerData.uri)
        } catch (error) {
          if (error.code !== 'SQLITE_CANTOPEN') throw error
        }
      }
    }
    let db = open()
    const report = (what) => parentPort.postMessage(what)
    let next = 1
    // One transaction per message, so that the thread can also end and stop its worker.
    parentPort.on('message', async (what) => {
      if (what === 'kill') return restarted?.terminate()
      const x = next++
      report('begin ' + x)
      try {
        db.prepare('INSERT INTO t VALUES (?)').run(x)
        return report('ok ' + x)
      } catch (error) {
        const reason = String(db.prepare('SELECT litestream_error()').pluck().get())
        report((reason.startsWith('COMMIT_UNKNOWN') ? 'unknown ' : 'refused ' + error.code + ' ') + x)
      }
      db.close()
      for (;;) {
        db = open()
        try {
          const find = () => db.prepare('SELECT count(*) FROM t WHERE x = ?').pluck().get(x)
          return report('found ' + x + ' ' + find())
        } catch (error) {
          if (!error.code?.startsWith('SQLITE_IOERR')) throw error
          db.close()
        }
      }
    })\`, { eval: true, workerData: { uri: replica.uri, src } })
  writer.on('message', (text) => console.log(text))
  for await (const line of createInterface(process.stdin)) {
    if (line === 'kill') {
      const worker = started.findLast((each) => each !== writer && each.threadId > 0)
      if (worker) await worker.terminate()
      else writer.postMessage('kill')
    } else if (line === 'end') {
      process.exit(0)
    } else writer.postMessage(line)
  }
`

/** The process, and what it has reported. */
class KilledWriter {
  readonly #child: Child

  constructor(t: TestContext, url: string) {
    this.#child = runScript(t, SCRIPT, { URL: url })
  }

  say(line: string): void {
    this.#child.process.stdin!.write(`${line}\n`)
  }

  lines(): readonly string[] {
    return this.#child.output().split('\n').slice(0, -1)
  }

  /** The first line that matches. */
  async line(pattern: RegExp): Promise<string> {
    const { process } = this.#child
    return until(`the process reports ${pattern}`, () => {
      if (process.exitCode !== null) throw new Error(`it ended: ${this.#child.errors()}`)
      return this.lines().find((line) => pattern.test(line))
    })
  }

  async end(): Promise<void> {
    const exit = once(this.#child.process, 'exit')
    this.say('end')
    await exit
  }
}

async function restoredRows(t: TestContext, url: string): Promise<readonly number[]> {
  const db = await restoredDatabase(t, url)
  return db.prepare('SELECT x FROM t ORDER BY x').pluck().all() as number[]
}

const STEPS: readonly [what: string, fault: Fault, committed: boolean][] = [
  ['before the store has the file', { type: 'blackhole' }, false],
  ['after the store has the file', { type: 'loseReply' }, true],
]
for (const [what, fault, committed] of STEPS) {
  test(`S3: if the worker is terminated ${what}, the outcome of the commit is unknown, and the next connection determines the outcome`, async (t) => {
    const bucket = await s3Bucket({ after: (step: unknown) => cleanUp(t, step as () => unknown) } as TestContext)
    const proxy = await startProxyProcess(s3Server().endpoint)
    cleanUp(t, () => proxy.close())
    const writer = new KilledWriter(t, s3Url(bucket, 'app.db', proxy.url))
    writer.say('commit')
    await writer.line(/^ok 1$/)
    const rule = await proxy.fault(fault, { kind: 'PUT', url: '.ltx' }, 1000)
    writer.say('commit')
    await until('the upload is under way', async () => (await rule.hits()) > 0)
    writer.say('kill')
    await writer.line(/^unknown 2$/)
    await rule.remove()
    assert.equal(await writer.line(/^found 2/), `found 2 ${committed ? 1 : 0}`)
    writer.say('commit')
    await writer.line(/^ok 3$/)
    await writer.end()
    assert.deepEqual(await restoredRows(t, s3Url(bucket)), committed ? [1, 2, 3] : [1, 3])
  })
}

test('if the worker is terminated at any moment of a commit, every reported outcome is right, and no acknowledged commit is lost', async (t) => {
  const { url } = emptyReplicaUrl(t)
  const writer = new KilledWriter(t, url)
  for (let x = 1; x <= 12; x++) {
    writer.say('commit')
    // The two messages reach two threads, so the moment differs from round to round.
    if (x % 2 === 0) await writer.line(new RegExp(`^begin ${x}$`))
    writer.say('kill')
    await writer.line(new RegExp(`^(ok ${x}|found ${x} [01])$`))
  }
  await writer.end()
  const committed = writer
    .lines()
    .map((line) => /^ok (\d+)$|^found (\d+) 1$/.exec(line))
    .filter((match) => match !== null)
  const expected = committed.map(([, ok, found]) => Number(ok ?? found))
  assert.deepEqual(await restoredRows(t, url), expected)
  const refused = writer.lines().filter((line) => line.startsWith('refused'))
  for (const line of refused) {
    const x = line.split(' ').at(-1)
    assert.ok(writer.lines().includes(`found ${x} 0`), line)
  }
  t.diagnostic(
    `${writer.lines().filter((line) => line.startsWith('unknown')).length} unknown, ${refused.length} refused`,
  )
})
