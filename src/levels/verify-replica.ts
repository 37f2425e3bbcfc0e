import { isLitestreamError, LitestreamError } from '../errors.js'
import { fileLabel } from '../ltx/file-label.js'
import { SNAPSHOT_LEVEL } from '../ltx/format.js'
import { formatTxid } from '../ltx/txid.js'
import type { LtxFileInfo, ReplicaClient } from '../storage/replica-client.js'
import { throwIfAborted } from '../util/abort.js'
import { runAll } from '../util/run-all.js'
import { decodeListed } from './decode-listed.js'
import { heldFiles, heldKey, readDivergences } from './divergence-record.js'
import { type FilesByLevel, listLevels, listTogether, selectPlan } from './plan.js'
import { addIndexed, denseFrom, type IndexedFile, PlanCheck } from './plan-check.js'
import { comparePlanChecksum } from './plan-checksum.js'

/** A fault of a replica. */
export interface ReplicaFault {
  /**
   * `damaged` means that the content of the file is damaged. `gap` means that TXIDs before the file
   * are missing. `overlap` means that two files of the level contain the same TXIDs.
   */
  readonly kind: 'damaged' | 'gap' | 'overlap'
  /** The damaged file, the file after the gap, or the second of the overlapping files. */
  readonly file: LtxFileInfo
  /**
   * The error that describes the fault. The message of this error contains the level and the TXIDs
   * of each file.
   */
  readonly error: LitestreamError
}

export interface LevelReport {
  /** The number of the level, from 0 to 9. */
  readonly level: number
  /** Number of files in the level. */
  readonly files: number
  /** Total size of the files in bytes. */
  readonly bytes: number
  /** Lowest TXID of the level. 0 if the level is empty. */
  readonly minTxid: number
  /** Highest TXID of the level. 0 if the level is empty. */
  readonly maxTxid: number
}

export interface ReplicaReport {
  /** The number of files, their size and their TXIDs for each level. */
  readonly levels: readonly LevelReport[]
  /** The faults of the replica. */
  readonly faults: readonly ReplicaFault[]
  /**
   * The newest state that can be restored from undamaged files, or undefined if no state can be
   * restored.
   */
  readonly restorable: { readonly txid: number; readonly timestamp: Date } | undefined
  /**
   * The highest TXID of all files. The replica is healthy if it has no faults and `restorable.txid`
   * equals `maxTxid`.
   */
  readonly maxTxid: number
}

export interface VerifyReplicaOptions {
  /** Number of files that are read in parallel. Default 2. */
  readonly parallelism?: number
  /**
   * Called after each file, with the number of files and bytes read so far, and the total numbers.
   */
  readonly onProgress?: (done: {
    readonly files: number
    readonly totalFiles: number
    readonly bytes: number
    readonly totalBytes: number
  }) => void
  /** Aborts the verification, so that the returned promise rejects. */
  readonly signal?: AbortSignal
}

/**
 * Returns the gaps and overlaps in levels 0 to 8 of a listing. Level 9 is not checked, because all
 * snapshots begin at TXID 1. A gap is not a fault if one of `snapshots` ends at the first TXID
 * after the gap, because the primary skipped the TXIDs. A gap is also not a fault if the file
 * before the gap is in `held`, because retention kept this file and deleted later files. `held`
 * contains results of `heldKey`.
 */
export function contiguityFaults(
  client: ReplicaClient,
  levels: readonly (readonly LtxFileInfo[])[],
  snapshots: readonly LtxFileInfo[] = levels[SNAPSHOT_LEVEL] ?? [],
  held: ReadonlySet<string> = new Set(),
): ReplicaFault[] {
  const begins = new Set(snapshots.map(({ maxTxid }) => maxTxid))
  const faults: ReplicaFault[] = []
  for (const files of levels.slice(0, SNAPSHOT_LEVEL)) {
    for (let i = 1; i < files.length; i++) {
      const file = files[i]!
      const end = files[i - 1]!.maxTxid
      if (file.minTxid === end + 1) continue
      const kind = file.minTxid > end ? 'gap' : 'overlap'
      if (kind === 'gap' && begins.has(file.minTxid)) continue
      if (kind === 'gap' && held.has(heldKey(files[i - 1]!))) continue
      const message = `${fileLabel(client, file)}: ${kind} after TXID ${formatTxid(end)}`
      faults.push({ kind, file, error: new LitestreamError('LTX_GAP', message, { file: fileLabel(client, file) }) })
    }
  }
  return faults
}

export interface UnexplainedOptions {
  /** The snapshots, as in contiguityFaults. */
  readonly snapshots?: readonly LtxFileInfo[]
  readonly signal?: AbortSignal | undefined
}

/**
 * Returns the faults of contiguityFaults, except the gaps that divergences explain. Throws the
 * errors of the store.
 */
export async function unexplainedFaults(
  client: ReplicaClient,
  levels: readonly (readonly LtxFileInfo[])[],
  { snapshots = levels[SNAPSHOT_LEVEL] ?? [], signal }: UnexplainedOptions = {},
): Promise<ReplicaFault[]> {
  const faults = contiguityFaults(client, levels, snapshots)
  if (faults.every(({ kind }) => kind !== 'gap')) return faults
  const options = signal ? { signal } : {}
  const points = await readDivergences(client, options).catch((error: unknown) => {
    // If the divergence record is damaged, every gap is a fault. Retention reports the damaged
    // record.
    if (isLitestreamError(error, 'LTX_CORRUPT')) return []
    throw error
  })
  if (points.length === 0) return faults
  const all = await listTogether(client, 0, options)
  const held = heldFiles(all, points, { now: Date.now(), keep: Number.POSITIVE_INFINITY })
  return contiguityFaults(client, levels, snapshots, held)
}

/**
 * Verifies a replica. Reads every file completely and checks its content, its name and its listing.
 * Checks that the files of each level are contiguous. Checks that the newest state can be restored
 * from undamaged files, and that no page is missing. Returns the faults. Throws only errors of the
 * store.
 */
export async function verifyReplica(client: ReplicaClient, options: VerifyReplicaOptions = {}): Promise<ReplicaReport> {
  const { signal } = options
  const levels = await listLevels(client, signal)
  const all = levels.flat()
  const faults = await unexplainedFaults(client, levels, { signal })
  const { sound, damaged } = await readFiles(client, all, options)
  faults.push(...damaged, ...sequenceFaults(levels, sound))
  const newest = await newestRestorable(levels, sound, faults, (plan) => {
    return comparePlanChecksum(client, plan, sound.get(plan.at(-1)!)!, signal)
  })
  return {
    levels: levels.map((files, level) => ({
      level,
      files: files.length,
      bytes: files.reduce((sum, { size }) => sum + size, 0),
      minTxid: files[0]?.minTxid ?? 0,
      maxTxid: files.reduce((max, { maxTxid }) => Math.max(max, maxTxid), 0),
    })),
    faults,
    restorable: newest && { txid: newest.header.maxTxid, timestamp: new Date(newest.header.timestamp) },
    maxTxid: all.reduce((max, { maxTxid }) => Math.max(max, maxTxid), 0),
  }
}

/** The undamaged files, with the results from their page indexes. */
type SoundFiles = ReadonlyMap<LtxFileInfo, IndexedFile>

/**
 * Reads and checks files completely. Ignores files that were deleted after the listing. If no other
 * files contain the TXIDs of the deleted files, the restore plan has a gap. The gap is reported.
 */
async function readFiles(
  client: ReplicaClient,
  files: readonly LtxFileInfo[],
  { parallelism = 2, onProgress, signal }: VerifyReplicaOptions,
): Promise<{ readonly sound: SoundFiles; readonly damaged: ReplicaFault[] }> {
  const sound = new Map<LtxFileInfo, IndexedFile>()
  const damaged: ReplicaFault[] = []
  const totalBytes = files.reduce((sum, { size }) => sum + size, 0)
  const progress = { files: 0, totalFiles: files.length, bytes: 0, totalBytes }
  const verify = (file: LtxFileInfo) => async () => {
    throwIfAborted(signal, `verifying ${client.url}`)
    try {
      // The bytes may have been damaged in transit, so a damaged file is read a second time.
      const checked = await readFile(client, file, signal).catch((error: unknown) => {
        if (!isLitestreamError(error, 'LTX_CORRUPT')) throw error
        return readFile(client, file, signal)
      })
      sound.set(file, checked)
    } catch (error) {
      if (isLitestreamError(error, 'LTX_CORRUPT')) damaged.push({ kind: 'damaged', file, error })
      else if (!isLitestreamError(error, 'NOT_FOUND')) throw error
    }
    progress.files++
    progress.bytes += file.size
    onProgress?.({ ...progress })
  }
  await runAll(parallelism, files.map(verify))
  return { sound, damaged }
}

async function readFile(
  client: ReplicaClient,
  file: LtxFileInfo,
  signal: AbortSignal | undefined,
): Promise<IndexedFile> {
  const label = fileLabel(client, file)
  const ltx = await decodeListed(client.stream(file, signal ? { signal } : {}), file, label)
  for await (const _batch of ltx.batches);
  const { header } = ltx
  const { index, postApplyChecksum } = ltx.trailer!
  return { label, header, postApplyChecksum, denseFrom: denseFrom(header, index) }
}

/**
 * Compares consecutive files of each level. Returns faults about pages that no file contains, a
 * change of the page size, and a wrong database checksum.
 */
function sequenceFaults(levels: FilesByLevel, sound: SoundFiles): ReplicaFault[] {
  const faults: ReplicaFault[] = []
  for (const files of levels.slice(0, SNAPSHOT_LEVEL)) {
    let check: PlanCheck | undefined
    let end = 0
    for (const file of files) {
      const checked = sound.get(file)
      // After a gap or a damaged file, the size and the checksum of the database before the next
      // file are unknown.
      if (!checked || file.minTxid > end + 1) check = undefined
      if (!checked) continue
      if (!check) check = new PlanCheck({}, checked, checked.header.commit)
      else collect(faults, file, () => addIndexed(check!, checked))
      end = file.maxTxid
    }
  }
  return faults
}

/**
 * Returns the last file of the restore plan with the highest TXID. If a file contradicts the other
 * files, adds a fault and makes a plan without this file.
 */
async function newestRestorable(
  levels: FilesByLevel,
  sound: SoundFiles,
  faults: ReplicaFault[],
  compare: (plan: readonly LtxFileInfo[]) => Promise<void>,
): Promise<IndexedFile | undefined> {
  const unfit = new Set<LtxFileInfo>()
  for (;;) {
    const usable = levels.map((files) => files.filter((file) => sound.has(file) && !unfit.has(file)))
    // If the target is a time, selectPlan does not throw at a gap.
    const plan = selectPlan(usable, { timestamp: Number.POSITIVE_INFINITY })
    const check = new PlanCheck()
    let files: LtxFileInfo[] = []
    const add = (file: LtxFileInfo) => {
      if (addIndexed(check, sound.get(file)!).begins) files = []
      files.push(file)
    }
    let bad = plan.find((file) => !collect(faults, file, () => add(file)))
    if (bad === undefined && files.length > 0) {
      const failed = await compare(files).then(
        () => undefined,
        (error: unknown) => ({ error }),
      )
      const isOk = collect(faults, files.at(-1)!, () => {
        if (failed) throw failed.error
      })
      if (!isOk) bad = files.at(-1)
    }
    if (bad === undefined) return check.last as IndexedFile | undefined
    unfit.add(bad)
  }
}

/**
 * Runs a check of a file. If the check finds damage, returns false, and adds a fault unless
 * `faults` already contains a fault of the file. Rethrows other errors.
 */
function collect(faults: ReplicaFault[], file: LtxFileInfo, check: () => unknown): boolean {
  try {
    check()
    return true
  } catch (error) {
    if (!isLitestreamError(error, 'LTX_CORRUPT', 'LTX_GAP', 'PAGE_SIZE_MISMATCH')) throw error
    if (!faults.some((fault) => fault.file === file)) faults.push({ kind: 'damaged', file, error })
    return false
  }
}
