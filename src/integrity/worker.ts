// Runs in a worker thread: see check-integrity.ts.
import { parentPort, workerData } from 'node:worker_threads'
import { serializeError } from '../errors.js'
import { checkDatabase } from './check-database.js'
import type { IntegrityMessage, IntegrityRequest } from './check-integrity.js'

function send(message: IntegrityMessage): void {
  parentPort!.postMessage(message)
}

try {
  const { stop, ...request } = workerData as IntegrityRequest
  const onInterrupter = (interrupter: number) => send({ interrupter })
  send({ report: checkDatabase({ ...request, onInterrupter, isStopped: () => Atomics.load(stop, 0) !== 0 }) })
} catch (error) {
  send({ error: serializeError(error) })
}
