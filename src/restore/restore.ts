import { mkdir, rename, rm } from 'node:fs/promises'
import path from 'node:path'
import { isLitestreamError, LitestreamError } from '../errors.js'
import { syncDirectory } from '../storage/file/durable.js'
import type { LtxFileInfo, ReplicaClient } from '../storage/replica-client.js'
import { throwIfAborted } from '../util/abort.js'
import { Assembly, type AssemblyProgress } from './assembly.js'
import { checkIntegrity, type IntegrityCheck } from './integrity.js'
import { guardOutput, outputExists, removeSidecars } from './output.js'
import { type PlanTarget, planRestore } from './plan.js'

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
  | { readonly phase: 'check'; readonly check: 'quick' | 'full' }

export interface RestoreResult {
  /** restored; planned (dry run); or why nothing was done: the output exists, the replica is empty. */
  readonly status: 'restored' | 'planned' | 'output-exists' | 'no-replica'
  readonly dbPath: string
  /** The TXID of the restored state; 0 when nothing was done. */
  readonly txid: number
  /** The time of that state, milliseconds since the epoch: of the LTX header when restored, of the listing when planned. */
  readonly timestamp: number
  /** Size of the database. */
  readonly bytes: number
  readonly durationMs: number
  /** The files, oldest state first. */
  readonly plan: readonly LtxFileInfo[]
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
  const started = Date.now()
  const { output, dryRun = false, integrityCheck = 'quick', parallelism = 8 } = options
  const signal = options.signal ?? new AbortController().signal
  validate(options)
  const nothing = (status: RestoreResult['status']): RestoreResult => {
    const durationMs = Date.now() - started
    return { status, dbPath: output, txid: 0, timestamp: 0, bytes: 0, durationMs, plan: [], integrityCheck: 'none' }
  }
  if (options.ifDbNotExists && (await outputExists(output))) return nothing('output-exists')
  if (!dryRun) await guardOutput(output, options.force ?? false)

  let plan: LtxFileInfo[]
  try {
    plan = await planRestore(client, { ...options, signal })
  } catch (error) {
    if (options.ifReplicaExists && isLitestreamError(error, 'REPLICA_EMPTY')) return nothing('no-replica')
    throw error
  }
  const done = (status: RestoreResult['status'], bytes: number, timestamp: number): RestoreResult => {
    const txid = plan.at(-1)!.maxTxid
    return { status, dbPath: output, txid, timestamp, bytes, durationMs: Date.now() - started, plan, integrityCheck }
  }
  if (dryRun) return done('planned', 0, plan.at(-1)!.createdAt)

  await mkdir(path.dirname(path.resolve(output)), { recursive: true })
  const temporary = `${output}.tmp`
  const removeTemporary = async () => {
    await removeSidecars(temporary)
    await rm(temporary, { force: true })
  }
  await removeTemporary()
  try {
    const { onProgress } = options
    const assembly = new Assembly(client, temporary, {
      parallelism,
      signal,
      ...(onProgress ? { onProgress: (progress) => onProgress({ phase: 'pages', ...progress }) } : {}),
    })
    const { header } = await (async () => {
      for (let replans = 0; ; replans++) {
        try {
          return await assembly.run(plan)
        } catch (error) {
          if (!isLitestreamError(error, 'NOT_FOUND') || replans === MAX_REPLANS) throw error
          plan = await planRestore(client, { ...options, signal })
        }
      }
    })()
    if (integrityCheck !== 'none') onProgress?.({ phase: 'check', check: integrityCheck })
    await checkIntegrity(temporary, integrityCheck, signal)
    throwIfAborted(signal, `restoring ${output}`)
    await removeSidecars(temporary)
    await guardOutput(output, options.force ?? false)
    await finish(temporary, plan.at(-1)!.maxTxid)
    await removeSidecars(output)
    await rename(temporary, output)
    await syncDirectory(path.dirname(path.resolve(output)))
    return done('restored', header.commit * header.pageSize, header.timestamp)
  } catch (error) {
    await removeTemporary()
    throw error
  }
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
