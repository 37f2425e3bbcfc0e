import { isMainThread, Worker, workerData } from 'node:worker_threads'
import Database from 'better-sqlite3'
import { Updates } from './written.js'

interface ThreadData {
  readonly uri: string
  /** Pages per commit. */
  readonly pages: number
  /** [commits, 1 to end]. */
  readonly commits: Int32Array
}

const [DONE, END] = [0, 1]

/** A thread that commits through its own connection, because a commit blocks its thread. */
export class CommitThread {
  readonly #shared = new Int32Array(new SharedArrayBuffer(8))
  readonly #exit: Promise<void>

  constructor(uri: string, pages: number) {
    const data: ThreadData = { uri, pages, commits: this.#shared }
    const worker = new Worker(new URL(import.meta.url), { workerData: data })
    this.#exit = new Promise((resolve, reject) => {
      worker.once('error', reject)
      worker.once('exit', () => resolve())
    })
  }

  /** Number of commits so far. */
  get count(): number {
    return Atomics.load(this.#shared, DONE)
  }

  async stop(): Promise<void> {
    Atomics.store(this.#shared, END, 1)
    await this.#exit
  }
}

function runThread({ uri, pages, commits }: ThreadData): void {
  const db = new Database(uri, { timeout: 10_000 })
  const updates = new Updates(db)
  while (Atomics.load(commits, END) === 0) {
    updates.commit(pages)
    Atomics.add(commits, DONE, 1)
  }
  db.close()
}

if (!isMainThread && workerData?.commits instanceof Int32Array) runThread(workerData)
