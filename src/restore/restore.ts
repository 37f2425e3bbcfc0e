import { isLitestreamError } from '../errors.js'
import { checkIntegrity } from '../integrity/check-integrity.js'
import { type IntegrityCheck, type IntegrityReport, integrityError, warningOf } from '../integrity/report.js'
import type { ReplicaClient } from '../storage/replica-client.js'
import type { Resolved } from '../util/check-arguments.js'
import { elapsedMs } from '../util/elapsed.js'
import { guardOutput, OutputClaim, outputExists, refuseInsideReplica } from './output.js'
import { publish } from './publish.js'
import { type Restored, restoreJob } from './restore-job.js'
import { type RestoreOptions, type RestoreResult, validateRestore } from './restore-options.js'
import { chooseSource, type RestoreSource } from './source.js'

/**
 * Restores a database from a replica. The result is the newest state, or the state at a TXID or
 * time. The restore writes the database beside the output under a random name, and checks the
 * database. When the database is complete and on disk, the restore renames the database to the
 * output path. After a failure no file is left, except a database that an explicit `integrityCheck`
 * refused. If the restore replaces a database, the new database gets the owner and mode of the
 * replaced database. Throws OUTPUT_EXISTS, OUTPUT_BUSY, REPLICA_EMPTY, TXID_NOT_AVAILABLE, LTX_GAP,
 * LTX_CORRUPT, PAGE_SIZE_MISMATCH, INTEGRITY_CHECK_FAILED, ABORTED and errors of the store.
 *
 * @example
 * const client = await openReplicaClient('s3://bucket/app.db')
 * const { txid } = await restore(client, { output: 'app.db' })
 */
export function restore(client: ReplicaClient, options: Resolved<RestoreOptions>): Promise<RestoreResult> {
  return restoreAnd(client, options, {})
}

export interface RestoreHooks {
  /**
   * The right to write the output, if the caller already holds it; the caller keeps the right after
   * the restore.
   */
  readonly claim?: OutputClaim
  /** The last step before the rename. The step receives the temporary path of the database. */
  finish?(temporary: string, restored: Pick<Restored, 'txid' | 'timestamp'>): Promise<void>
}

export async function restoreAnd(
  client: ReplicaClient,
  options: Resolved<RestoreOptions>,
  hooks: RestoreHooks,
): Promise<RestoreResult> {
  const started = elapsedMs()
  const { output, force = false, ifDbNotExists = false, onProgress } = options
  const signal = options.signal ?? new AbortController().signal
  validateRestore(options)
  refuseInsideReplica(output, client)
  const result = (status: RestoreResult['status'], restored: Restored, checked: Checked): RestoreResult => {
    const warnings = [...restored.warnings, ...checked.warnings]
    return {
      status,
      dbPath: output,
      ...restored,
      timestamp: new Date(restored.timestamp),
      durationMs: Math.round(elapsedMs() - started),
      ...checked,
      warnings,
    }
  }
  const nothing = (status: RestoreResult['status']) => result(status, NOTHING, UNCHECKED)
  if (ifDbNotExists && (await outputExists(output))) return nothing('output-exists')
  if (!options.dryRun) await guardOutput(output, force)

  let source: RestoreSource
  try {
    source = await chooseSource(client, { ...options, signal })
  } catch (error) {
    if (options.ifReplicaExists && isLitestreamError(error, 'REPLICA_EMPTY')) return nothing('no-replica')
    throw error
  }
  const job = restoreJob(client, source, { ...options, signal })
  if (options.dryRun) return result('planned', job.planned, { ...UNCHECKED, integrityCheck: checkOf(options) })

  const onWait = () => onProgress?.({ phase: 'wait' })
  const claim = hooks.claim ?? (await OutputClaim.take(output, { wait: ifDbNotExists, onWait, signal }))
  try {
    // While this restore waited, another process has restored the database.
    if (ifDbNotExists && (await outputExists(output))) return nothing('output-exists')
    let checked: Checked = UNCHECKED
    const restored = await publish(
      { claim, force, signal },
      {
        build: (temporary) => job.build(temporary),
        maxMode: () => job.maxMode,
        check: async (temporary) => {
          checked = await check(temporary, options, signal)
          const { integrity } = checked
          if (!integrity || integrity.outcome === 'ok' || options.integrityCheck === undefined) return undefined
          return (kept) => integrityError(integrity, output, kept)
        },
        finish: async (temporary, restored) => hooks.finish?.(temporary, restored),
      },
    )
    return result('restored', restored, checked)
  } finally {
    if (!hooks.claim) await claim.release()
  }
}

type Checked = Pick<RestoreResult, 'integrityCheck' | 'warnings'> & { readonly integrity?: IntegrityReport }

const NOTHING: Restored = { txid: 0, timestamp: 0, bytes: 0, plan: [], warnings: [] }
const UNCHECKED: Checked = { integrityCheck: 'none', warnings: [] }

function checkOf({ integrityCheck = 'quick' }: Resolved<RestoreOptions>): IntegrityCheck {
  return integrityCheck
}

/**
 * Runs SQLite's check of the restored database. The checksums of all files were verified. Every
 * fault that SQLite's check finds therefore also exists in the primary's database.
 */
async function check(temporary: string, options: Resolved<RestoreOptions>, signal: AbortSignal): Promise<Checked> {
  const integrityCheck = checkOf(options)
  if (integrityCheck === 'none') return UNCHECKED
  options.onProgress?.({ phase: 'check', check: integrityCheck })
  const integrity = await checkIntegrity(temporary, integrityCheck, { signal })
  if (integrity.outcome === 'ok') return { integrityCheck, integrity, warnings: [] }
  return { integrityCheck, integrity, warnings: [warningOf(integrity, options.output)] }
}

export type HydrateOptions = Pick<RestoreOptions, 'output' | 'force' | 'parallelism' | 'onProgress' | 'signal'>

/**
 * Fetches a full copy of the newest state of a replica. `hydrateFile` is a restore without SQLite's
 * check. If `integrityCheck` is set, hydrateFile() also runs the check.
 */
export function hydrateFile(
  client: ReplicaClient,
  options: HydrateOptions & { readonly integrityCheck?: IntegrityCheck },
): Promise<RestoreResult> {
  return restore(client, { integrityCheck: 'none', ...options })
}
