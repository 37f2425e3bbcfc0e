// The thread of one Replica.prefetch call. The thread opens a connection, runs the query and exits.
import { parentPort, workerData } from 'node:worker_threads'
import { isLitestreamError, LitestreamError, serializeError } from '../../errors.js'
import { openConnection } from './drivers.js'
import type { PrefetchTask } from './prefetch-queries.js'

function run({ uri, sql, parameters = [] }: PrefetchTask): void {
  const connection = openConnection(uri)
  try {
    connection.drain(sql, Array.isArray(parameters) ? parameters : [parameters])
  } catch (cause) {
    if (isLitestreamError(cause)) throw cause
    const message = `the query to prefetch failed: ${(cause as Error).message}`
    throw new LitestreamError('INVALID_ARGUMENT', message, { cause, hint: 'Pass one SELECT statement.' })
  } finally {
    connection.close()
  }
}

try {
  run(workerData as PrefetchTask)
  parentPort?.postMessage(null)
} catch (error) {
  parentPort?.postMessage(serializeError(error))
}
