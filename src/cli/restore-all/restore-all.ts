import { type LitestreamError, toLitestreamError } from '../../errors.js'
import { outputExists } from '../../restore/output.js'
import { restore } from '../../restore/restore.js'
import type { RestoreOptions, RestoreResult } from '../../restore/restore-options.js'
import { openReplicaClient } from '../../storage/open.js'
import type { Resolved } from '../../util/check-arguments.js'
import { runAll } from '../../util/run-all.js'
import type { RestoreTask } from './find-replicas.js'

/** The result of restoring one replica. */
export interface RestoreOutcome {
  readonly source: string
  readonly output: string
  readonly status: RestoreResult['status'] | 'failed'
  readonly result?: RestoreResult
  readonly error?: LitestreamError
}

/**
 * Number of parallel requests of one restore. The number is small, because several restores run in
 * parallel.
 */
const REQUESTS_EACH = 2

export type RestoreAllOptions = Pick<
  Resolved<RestoreOptions>,
  'timestamp' | 'force' | 'ifReplicaExists' | 'integrityCheck' | 'dryRun'
> & {
  /** Number of databases that are restored in parallel. */
  readonly parallelism: number
  readonly signal: AbortSignal
}

/**
 * Restores each replica. A failed restore does not affect the other restores. Replaces existing
 * files only with `force`.
 */
export function restoreAll(tasks: readonly RestoreTask[], options: RestoreAllOptions): Promise<RestoreOutcome[]> {
  return runAll(
    options.parallelism,
    tasks.map((task) => () => restoreOne(task, options)),
  )
}

async function restoreOne(task: RestoreTask, all: RestoreAllOptions): Promise<RestoreOutcome> {
  const { output } = task
  const named = { source: String(task.url), output }
  const { signal, force = false } = all
  try {
    signal.throwIfAborted()
    // If the output file exists, and `force` is not set, the replica is not opened at all.
    if (!force && (await outputExists(output))) return { ...named, status: 'output-exists' }
    const client = await openReplicaClient(task.url.reveal(), { ...task.options, signal })
    try {
      const result = await restore(client, { ...all, output, parallelism: REQUESTS_EACH, ifDbNotExists: !force })
      return { ...named, status: result.status, result }
    } finally {
      await client.close()
    }
  } catch (error) {
    return { ...named, status: 'failed', error: toLitestreamError(error) }
  }
}
