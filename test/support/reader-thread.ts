import { once } from 'node:events'
import type { TestContext } from 'node:test'
import { Worker } from 'node:worker_threads'
import { cleanUp } from './clean-up.js'

type Answer = { readonly rows: unknown[][] } | { readonly code: string; readonly message: string; readonly why: string }

/**
 * A connection on a thread of its own: what it reads may come through a proxy on the test's thread, which must not be blocked, and a
 * read may wait while the test goes on.
 */
export class ReaderThread {
  readonly worker: Worker

  private constructor(worker: Worker) {
    this.worker = worker
  }

  static async open(
    t: TestContext,
    uri: string,
    setup: readonly string[] = [],
    extensions: readonly string[] = [],
  ): Promise<ReaderThread> {
    const source = `
      const { parentPort, workerData } = require('node:worker_threads')
      import(workerData.src + '/index.js').then(({ load }) => {
        const Database = require('better-sqlite3')
        load(new Database(':memory:'))
        const db = new Database(workerData.uri, { readonly: true })
        for (const file of workerData.extensions) db.loadExtension(file)
        for (const sql of workerData.setup) db.exec(sql)
        parentPort.on('message', (sql) => {
          try {
            const statement = db.prepare(sql)
            parentPort.postMessage({ rows: statement.reader ? statement.raw().all() : (statement.run(), []) })
          } catch ({ code, message }) {
            const why = db.prepare('SELECT litestream_error()').pluck().get()
            parentPort.postMessage({ code, message, why })
          }
        })
        parentPort.postMessage('ready')
      })`
    const src = new URL('../../src', import.meta.url).href
    const thread = new ReaderThread(new Worker(source, { eval: true, workerData: { uri, setup, extensions, src } }))
    await once(thread.worker, 'message')
    cleanUp(t, () => thread.worker.terminate())
    return thread
  }

  /** Rows, as arrays, or the error with its code and what litestream_error() says. */
  async ask(sql: string): Promise<Answer> {
    const answer = once(this.worker, 'message')
    this.worker.postMessage(sql)
    return (await answer)[0] as Answer
  }

  /** The first column of the first row. Throws where the query failed. */
  async value(sql: string): Promise<unknown> {
    const answer = await this.ask(sql)
    if ('rows' in answer) return answer.rows[0]?.[0]
    throw Object.assign(new Error(`${answer.message}: ${answer.why}`), { code: answer.code })
  }
}
