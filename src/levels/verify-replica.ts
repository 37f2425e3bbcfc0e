import { isLitestreamError, LitestreamError } from '../errors.js'
import { corrupt } from '../ltx/corrupt.js'
import { SNAPSHOT_LEVEL } from '../ltx/format.js'
import { formatTxid } from '../ltx/txid.js'
import { verifyLtx } from '../ltx/verify.js'
import type { LtxFileInfo, ReplicaClient } from '../storage/replica-client.js'
import { throwIfAborted } from '../util/abort.js'
import { runAll } from '../util/run-all.js'
import { fileLabel } from './file-label.js'
import { listLevels, selectPlan } from './plan.js'

/** Something wrong with a replica. `error` says it in words; files in it are named by level and TXIDs. */
export interface ReplicaFault {
  readonly kind: 'damaged' | 'gap' | 'overlap'
  readonly file: LtxFileInfo
  readonly error: LitestreamError
}

export interface LevelReport {
  readonly level: number
  readonly files: number
  readonly bytes: number
  /** 0 in an empty level. */
  readonly minTxid: number
  readonly maxTxid: number
}

export interface ReplicaReport {
  readonly levels: readonly LevelReport[]
  readonly faults: readonly ReplicaFault[]
  /** The newest state that can be restored from what is not damaged; undefined when none can. */
  readonly restorable: { readonly txid: number; readonly timestamp: number } | undefined
  /** The newest TXID of any file. Restorable up to there, and no faults: all is well. */
  readonly maxTxid: number
}

export interface VerifyReplicaOptions {
  /** Files read at once; default 2. */
  readonly parallelism?: number
  readonly onProgress?: (done: {
    readonly files: number
    readonly totalFiles: number
    readonly bytes: number
    readonly totalBytes: number
  }) => void
  readonly signal?: AbortSignal
}

/** Gaps and overlaps within the levels of a listing. Snapshots all begin at TXID 1 and are left out. */
export function contiguityFaults(client: ReplicaClient, levels: readonly (readonly LtxFileInfo[])[]): ReplicaFault[] {
  const faults: ReplicaFault[] = []
  for (const files of levels.slice(0, SNAPSHOT_LEVEL)) {
    for (let i = 1; i < files.length; i++) {
      const file = files[i]!
      const end = files[i - 1]!.maxTxid
      if (file.minTxid === end + 1) continue
      const kind = file.minTxid > end ? 'gap' : 'overlap'
      const message = `${fileLabel(client, file)}: ${kind} after TXID ${formatTxid(end)}`
      faults.push({ kind, file, error: new LitestreamError('LTX_GAP', message, { file: fileLabel(client, file) }) })
    }
  }
  return faults
}

/**
 * Reads every file of a replica, checks every checksum and the contiguity of every level, and finds out up to where it can be
 * restored. What is wrong is reported, not thrown; what the store throws passes through.
 */
export async function verifyReplica(client: ReplicaClient, options: VerifyReplicaOptions = {}): Promise<ReplicaReport> {
  const { parallelism = 2, onProgress, signal } = options
  const levels = await listLevels(client, signal)
  const all = levels.flat()
  const faults = contiguityFaults(client, levels)
  const damaged = new Set<LtxFileInfo>()
  const gone = new Set<LtxFileInfo>()
  const progress = {
    files: 0,
    totalFiles: all.length,
    bytes: 0,
    totalBytes: all.reduce((sum, { size }) => sum + size, 0),
  }
  const verify = (file: LtxFileInfo) => async () => {
    throwIfAborted(signal, `verifying ${client.url}`)
    try {
      await verifyFile(client, file, signal)
    } catch (error) {
      if (isLitestreamError(error, 'NOT_FOUND')) {
        // Deleted since it was listed; whether what is left leads on, the plan below tells.
        gone.add(file)
      } else {
        if (!isLitestreamError(error, 'LTX_CORRUPT')) throw error
        damaged.add(file)
        faults.push({ kind: 'damaged', file, error })
      }
    }
    progress.files++
    progress.bytes += file.size
    onProgress?.({ ...progress })
  }
  await runAll(parallelism, all.map(verify))
  const sound = levels.map((files) => files.filter((file) => !damaged.has(file) && !gone.has(file)))
  // A time as target, because gaps do not end such a plan with an error.
  const last = selectPlan(sound, { timestamp: Number.POSITIVE_INFINITY }).at(-1)
  return {
    levels: levels.map((files, level) => ({
      level,
      files: files.length,
      bytes: files.reduce((sum, { size }) => sum + size, 0),
      minTxid: files[0]?.minTxid ?? 0,
      maxTxid: files.reduce((max, { maxTxid }) => Math.max(max, maxTxid), 0),
    })),
    faults,
    restorable: last && { txid: last.maxTxid, timestamp: last.createdAt },
    maxTxid: all.reduce((max, { maxTxid }) => Math.max(max, maxTxid), 0),
  }
}

/** Reads all of a file and checks everything in it. Throws LTX_CORRUPT, and what the store throws. */
export async function verifyFile(
  client: ReplicaClient,
  file: LtxFileInfo,
  signal: AbortSignal | undefined,
): Promise<void> {
  const label = fileLabel(client, file)
  const { header, fileSize } = await verifyLtx(client.stream(file, signal ? { signal } : {}), label)
  if (header.minTxid !== file.minTxid || header.maxTxid !== file.maxTxid) {
    throw corrupt('the TXIDs in its header are not those of its name', label, 16)
  }
  if (fileSize !== file.size) throw corrupt(`${fileSize} bytes, listed with ${file.size}`, label, fileSize)
}
