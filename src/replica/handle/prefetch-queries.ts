import { Worker } from 'node:worker_threads'
import { deserializeError, LitestreamError, type SerializedError, toLitestreamError } from '../../errors.js'
import { threadUrl } from '../../thread-url.js'
import { onAbort } from '../../util/abort.js'

export interface PrefetchOptions {
  /** Values for the parameters of the query. Pass an array, or an object for named parameters. */
  readonly parameters?: readonly unknown[] | Readonly<Record<string, unknown>>
  /** If the signal aborts, the query ends and the promise rejects. */
  readonly signal?: AbortSignal
}

/** The data passed to the prefetch thread. */
export interface PrefetchTask {
  readonly uri: string
  readonly sql: string
  readonly parameters: PrefetchOptions['parameters']
}

/**
 * Runs a query on a separate thread, which has its own connection. Discards the rows of the query.
 */
export async function prefetch(uri: string, sql: string, { parameters, signal }: PrefetchOptions): Promise<void> {
  signal?.throwIfAborted()
  const workerData: PrefetchTask = { uri, sql, parameters }
  const thread = startThread(workerData)
  const stop = () => void thread.terminate()
  const forget = onAbort(signal, stop)
  try {
    await new Promise<void>((resolve, reject) => {
      thread.once('message', (error: SerializedError | null) => (error ? reject(deserializeError(error)) : resolve()))
      thread.once('error', (error) => reject(toLitestreamError(error)))
      thread.once('exit', () => reject(new LitestreamError('ABORTED', 'the prefetch ended before its query finished')))
    })
  } catch (error) {
    signal?.throwIfAborted()
    throw error
  } finally {
    forget()
    stop()
  }
}

function startThread(workerData: PrefetchTask): Worker {
  try {
    const name = 'litestream-prefetch'
    return new Worker(threadUrl('replica/handle/prefetch-thread.js'), { name, execArgv: [], workerData })
  } catch (cause) {
    if ((cause as Error).name !== 'DataCloneError') throw toLitestreamError(cause)
    throw new LitestreamError('INVALID_ARGUMENT', 'a parameter of the query is not an SQLite value', {
      cause,
      hint: 'Pass only numbers, bigints, strings, Uint8Arrays or null as parameters of a query.',
    })
  }
}
