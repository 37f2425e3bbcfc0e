import { once } from 'node:events'
import type { TestContext } from 'node:test'
import { Worker } from 'node:worker_threads'
import { cleanUp } from './clean-up.js'
import type { Answer } from './compared-reader.js'

/** Threads that read; every other worker of a test's process is the one that serves replicas. */
const readers = new WeakSet<Worker>()

export function isReaderThread(worker: Worker): boolean {
  return readers.has(worker)
}

/**
 * A connection on a separate thread. A read blocks its thread; the test's own thread must stay free,
 * because it may run the proxy that the read waits for.
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
        // The first thread that notices the exit restarts the replica worker.
        let started
        process.on('worker', (worker) => {
          started = worker
        })
        parentPort.on('message', (sql) => {
          if (sql === null) return started?.terminate()
          if (sql === undefined) return parentPort.postMessage(db.serialize())
          try {
            const statement = db.prepare(sql)
            const rows = statement.reader ? statement.raw().all() : (statement.run(), [])
            parentPort.postMessage({ rows, inTransaction: db.inTransaction })
          } catch ({ code, message }) {
            const { inTransaction } = db
            const why = db.prepare('SELECT litestream_error()').pluck().get()
            parentPort.postMessage({ code, message, why, inTransaction })
          }
        })
        parentPort.postMessage('ready')
      })`
    const src = new URL('../../src', import.meta.url).href
    const thread = new ReaderThread(new Worker(source, { eval: true, workerData: { uri, setup, extensions, src } }))
    readers.add(thread.worker)
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

  /** The whole database as the connection sees it; zeros for pages that it cannot read. */
  async serialize(): Promise<Buffer> {
    const answer = once(this.worker, 'message')
    this.worker.postMessage(undefined)
    return Buffer.from((await answer)[0] as Uint8Array)
  }

  /** Ends the replica worker, if this thread started it. */
  killReplicaWorker(): void {
    this.worker.postMessage(null)
  }

  /** Ends the thread while its connection is still open. */
  async close(): Promise<void> {
    await this.worker.terminate()
  }

  /** Returns the first column of the first row. Throws if the query failed. */
  async value(sql: string): Promise<unknown> {
    const answer = await this.ask(sql)
    if ('rows' in answer) return answer.rows[0]?.[0]
    throw Object.assign(new Error(`${answer.message}: ${answer.why}`), { code: answer.code })
  }
}
