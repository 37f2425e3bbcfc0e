import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { deserializeError, LitestreamError, type SerializedError } from '../errors.js'
import { threadUrl } from '../thread-url.js'
import { abortError } from '../util/abort.js'

/** SQLite's checks: quick_check leaves out that indexes match their tables. */
export type IntegrityCheck = 'none' | 'quick' | 'full'

/** What the worker is given, and what it answers. */
export interface IntegrityRequest {
  readonly path: string
  readonly check: 'quick' | 'full'
}
export type IntegrityAnswer = { readonly faults: readonly string[] } | { readonly error: SerializedError }

/**
 * Lets SQLite check a database, in a worker thread, because it reads all of it without ever returning in between. Throws
 * INTEGRITY_CHECK_FAILED with what SQLite found, or ABORTED.
 */
export async function checkIntegrity(path: string, check: IntegrityCheck, signal?: AbortSignal): Promise<void> {
  if (check === 'none') return
  const request: IntegrityRequest = { path, check }
  const worker = new Worker(threadUrl('restore/integrity-worker.js'), { workerData: request })
  try {
    const [answer] = (await once(worker, 'message', signal ? { signal } : {})) as [IntegrityAnswer]
    if ('error' in answer) throw deserializeError(answer.error)
    if (answer.faults.length > 0) {
      throw new LitestreamError(
        'INTEGRITY_CHECK_FAILED',
        `${path}: PRAGMA ${check}_check: ${answer.faults.join('; ')}`,
        {
          file: path,
          hint: 'Restore to an earlier TXID or time, and check the primary with PRAGMA integrity_check.',
        },
      )
    }
  } catch (error) {
    throw signal?.aborted ? abortError(signal, `checking ${path}`) : error
  } finally {
    await worker.terminate()
  }
}
