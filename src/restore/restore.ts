import { stat } from 'node:fs/promises'
import { isLitestreamError, LitestreamError } from '../errors.js'
import { type PlanTarget, planRestore } from '../levels/plan.js'
import type { LtxFileInfo, ReplicaClient } from '../storage/replica-client.js'
import { monotonicMs } from '../util/monotonic.js'
import { Assembly, type AssemblyProgress } from './assembly.js'
import type { IntegrityCheck } from './integrity.js'
import { guardOutput, outputExists } from './output-guard.js'
import { type PublishOptions, publish } from './publish.js'
import { chooseSource, type RestoreSource } from './source.js'
import { assembleV3 } from './v3/assemble.js'

export interface RestoreOptions extends PlanTarget {
  /** Where the database shall be; its directory is made if needed. */
  readonly output: string
  /** Replace an existing database, and delete a WAL or journal beside it. */
  readonly force?: boolean
  /** Do nothing if the output exists. */
  readonly ifDbNotExists?: boolean
  /** Do nothing if the replica has no files. */
  readonly ifReplicaExists?: boolean
  /** Default quick. */
  readonly integrityCheck?: IntegrityCheck
  /** Requests at once; default 8. */
  readonly parallelism?: number
  /** Plan only. */
  readonly dryRun?: boolean
  readonly onProgress?: (progress: RestoreProgress) => void
  readonly signal?: AbortSignal
}

export type RestoreProgress =
  | ({ readonly phase: 'pages' } & AssemblyProgress)
  /** Of Litestream 0.3's format: objects done, and in all. */
  | { readonly phase: 'objects'; readonly written: number; readonly total: number }
  | { readonly phase: 'check'; readonly check: 'quick' | 'full' }

export interface RestoreResult {
  /** restored; planned (dry run); or why nothing was done: the output exists, the replica is empty. */
  readonly status: 'restored' | 'planned' | 'output-exists' | 'no-replica'
  readonly dbPath: string
  /** The TXID of the restored state; 0 when nothing was done, and for Litestream 0.3, which had none. */
  readonly txid: number
  /** The time of that state, milliseconds since the epoch: of the LTX header when restored, of the listing when planned. */
  readonly timestamp: number
  /** Size of the database. */
  readonly bytes: number
  readonly durationMs: number
  /** The files, oldest state first; none when it was restored from the format of Litestream 0.3. */
  readonly plan: readonly LtxFileInfo[]
  /** Of Litestream 0.3, when that is what was restored: the generation and the last WAL index. */
  readonly legacy?: { readonly generation: string; readonly index: number }
  readonly integrityCheck: IntegrityCheck
}

/** How often a restore plans anew because files vanished under it: each time something newer has taken their place. */
const MAX_REPLANS = 10

/**
 * Restores a database from a replica: to the newest state, or to a TXID or time. It is put together in `<output>.tmp`, checked, and
 * gets its name when it is whole and on disk; on failure nothing is left. Throws OUTPUT_EXISTS, REPLICA_EMPTY,
 * TXID_NOT_AVAILABLE, LTX_GAP, LTX_CORRUPT, PAGE_SIZE_MISMATCH, INTEGRITY_CHECK_FAILED, ABORTED, and what the store throws.
 *
 * @example
 * const client = await openReplicaClient('s3://bucket/app.db')
 * const { txid } = await restore(client, { output: 'app.db' })
 */
export function restore(client: ReplicaClient, options: RestoreOptions): Promise<RestoreResult> {
  return restoreAnd(client, options, async () => {})
}

/** A restore whose last step before the database gets its name is `finish`, on the file under its temporary name. */
export async function restoreAnd(
  client: ReplicaClient,
  options: RestoreOptions,
  finish: (temporary: string, txid: number) => Promise<void>,
): Promise<RestoreResult> {
  const started = monotonicMs()
  const { output, dryRun = false, integrityCheck = 'quick', parallelism = 8 } = options
  const signal = options.signal ?? new AbortController().signal
  validate(options)
  const nothing = (status: RestoreResult['status']): RestoreResult => {
    const durationMs = Math.round(monotonicMs() - started)
    return { status, dbPath: output, txid: 0, timestamp: 0, bytes: 0, durationMs, plan: [], integrityCheck: 'none' }
  }
  if (options.ifDbNotExists && (await outputExists(output))) return nothing('output-exists')
  if (!dryRun) await guardOutput(output, options.force ?? false)

  let source: RestoreSource
  try {
    source = await chooseSource(client, { ...options, signal })
  } catch (error) {
    if (options.ifReplicaExists && isLitestreamError(error, 'REPLICA_EMPTY')) return nothing('no-replica')
    throw error
  }
  const { onProgress } = options
  const publishing: PublishOptions = {
    output,
    force: options.force ?? false,
    integrityCheck,
    signal,
    onCheck: (check) => onProgress?.({ phase: 'check', check }),
  }
  const done = (
    result: Pick<RestoreResult, 'status' | 'txid' | 'timestamp' | 'bytes' | 'plan' | 'legacy'>,
  ): RestoreResult => {
    return { dbPath: output, durationMs: Math.round(monotonicMs() - started), integrityCheck, ...result }
  }

  if (source.format === 'v0.3') {
    const { objects, plan: old } = source
    const legacy = { generation: old.snapshot.generation, index: (old.segments.at(-1) ?? old.snapshot).index }
    const timestamp = (old.segments.at(-1) ?? old.snapshot).createdAt
    const result = { txid: 0, timestamp, plan: [], legacy }
    if (dryRun) return done({ status: 'planned', bytes: 0, ...result })
    const build = (temporary: string) =>
      assembleV3(objects, old, temporary, {
        signal,
        onProgress: (written, total) => onProgress?.({ phase: 'objects', written, total }),
      })
    await publish(publishing, build, (temporary) => finish(temporary, 0))
    return done({ status: 'restored', bytes: (await stat(output)).size, ...result })
  }

  let { plan } = source
  const txid = () => plan.at(-1)!.maxTxid
  if (dryRun) return done({ status: 'planned', txid: txid(), timestamp: plan.at(-1)!.createdAt, bytes: 0, plan })
  const build = async (temporary: string) => {
    const assembly = new Assembly(client, temporary, {
      parallelism,
      signal,
      ...(onProgress ? { onProgress: (progress) => onProgress({ phase: 'pages', ...progress }) } : {}),
    })
    for (let replans = 0; ; replans++) {
      try {
        return await assembly.run(plan)
      } catch (error) {
        if (!isLitestreamError(error, 'NOT_FOUND') || replans === MAX_REPLANS) throw error
        plan = await planRestore(client, { ...options, signal })
      }
    }
  }
  const { header } = await publish(publishing, build, (temporary) => finish(temporary, txid()))
  const { timestamp, commit, pageSize } = header
  return done({ status: 'restored', txid: txid(), timestamp, bytes: commit * pageSize, plan })
}

function validate({ txid, timestamp, parallelism = 8 }: RestoreOptions): void {
  const fault =
    txid !== undefined && timestamp !== undefined
      ? 'a restore leads to a TXID or to a timestamp, not to both'
      : !Number.isInteger(parallelism) || parallelism < 1
        ? `parallelism must be a whole number of at least 1, not ${parallelism}`
        : timestamp !== undefined && !Number.isFinite(timestamp)
          ? `invalid timestamp ${timestamp}`
          : undefined
  if (fault) throw new LitestreamError('INVALID_ARGUMENT', fault)
}

export type HydrateOptions = Pick<RestoreOptions, 'output' | 'force' | 'parallelism' | 'onProgress' | 'signal'>

/** A full local copy of a replica's newest state: the pages of a restore, without SQLite's check unless it is asked for. */
export function hydrateFile(
  client: ReplicaClient,
  options: HydrateOptions & { readonly integrityCheck?: IntegrityCheck },
): Promise<RestoreResult> {
  return restore(client, { integrityCheck: 'none', ...options })
}
