import { Worker } from 'node:worker_threads'
import { deserializeError, LitestreamError, type SerializedError } from '../../errors.js'
import { threadUrl } from '../../thread-url.js'

export interface PrefetchOptions {
  /** Values for the parameters of the query: an array, or an object for named ones. */
  readonly parameters?: readonly unknown[] | Readonly<Record<string, unknown>>
  readonly signal?: AbortSignal
}

/** What the thread is given. */
export interface PrefetchTask {
  readonly uri: string
  readonly sql: string
  readonly parameters: PrefetchOptions['parameters']
}

/** Runs a query on a thread of its own, with a connection of its own, and throws its rows away. */
export async function prefetch(uri: string, sql: string, { parameters, signal }: PrefetchOptions): Promise<void> {
  signal?.throwIfAborted()
  const workerData: PrefetchTask = { uri, sql, parameters }
  const thread = new Worker(threadUrl('replica/handle/prefetch-thread.js'), {
    name: 'litestream-prefetch',
    execArgv: [],
    workerData,
  })
  const stop = () => void thread.terminate()
  signal?.addEventListener('abort', stop, { once: true })
  try {
    await new Promise<void>((resolve, reject) => {
      thread.once('message', (error: SerializedError | null) => (error ? reject(deserializeError(error)) : resolve()))
      thread.once('error', reject)
      thread.once('exit', () => reject(new LitestreamError('ABORTED', 'the prefetch ended before its query did')))
    })
  } catch (error) {
    signal?.throwIfAborted()
    throw error
  } finally {
    signal?.removeEventListener('abort', stop)
    stop()
  }
}
