import { isMainThread, Worker, workerData } from 'node:worker_threads'
import Database from 'better-sqlite3'

interface ThreadData {
  readonly uri: string
  readonly sql: string
  readonly parameters: readonly (readonly number[])[]
  /** How long to run, milliseconds. */
  readonly duration: number
  /** [threads that are ready, start signal, executions of all threads]. */
  readonly shared: Int32Array
}

const [READY, GO, DONE] = [0, 1, 2]

/**
 * Runs a query on this many threads, each with its own connection, for a given time; returns the
 * total executions per second. Each thread has read the data once before.
 */
export async function runThreads(threads: number, data: Omit<ThreadData, 'shared'>): Promise<number> {
  const shared = new Int32Array(new SharedArrayBuffer(12))
  const exits = Array.from(
    { length: threads },
    () =>
      new Promise<void>((resolve, reject) => {
        const worker = new Worker(new URL(import.meta.url), { workerData: { ...data, shared } })
        worker.once('error', reject)
        worker.once('exit', () => resolve())
      }),
  )
  const failed = Promise.race(exits.map((exit) => exit.then(() => undefined)))
  while (Atomics.load(shared, READY) < threads) {
    await Promise.race([failed, new Promise((resolve) => setTimeout(resolve, 5))])
  }
  Atomics.store(shared, GO, 1)
  Atomics.notify(shared, GO)
  await Promise.all(exits)
  return Atomics.load(shared, DONE) / (data.duration / 1000)
}

function runThread({ uri, sql, parameters, duration, shared }: ThreadData): void {
  const db = new Database(uri, { readonly: true })
  const statement = db.prepare(sql).raw()
  for (const one of parameters) statement.all(...one)
  Atomics.add(shared, READY, 1)
  Atomics.wait(shared, GO, 0)
  let done = 0
  for (const end = performance.now() + duration; performance.now() < end; done++) {
    statement.all(...parameters[done % parameters.length]!)
  }
  Atomics.add(shared, DONE, done)
  db.close()
}

if (!isMainThread && workerData?.shared instanceof Int32Array) runThread(workerData)
