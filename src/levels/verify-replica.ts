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

/** A fault of a replica. `error` describes the fault and names files by level and TXIDs. */
export interface ReplicaFault {
  /** Whether the file is damaged, or TXIDs before it are missing or are in two files. */
  readonly kind: 'damaged' | 'gap' | 'overlap'
  /** The file, or the one after the gap. */
  readonly file: LtxFileInfo
  /** Describes the fault. */
  readonly error: LitestreamError
}

export interface LevelReport {
  /** 0 to 9. */
  readonly level: number
  /** Number of files. */
  readonly files: number
  /** Total size of the files. */
  readonly bytes: number
  /** 0 in an empty level. */
  readonly minTxid: number
  /** 0 in an empty level. */
  readonly maxTxid: number
}

export interface ReplicaReport {
  /** Files, sizes and TXIDs of each level. */
  readonly levels: readonly LevelReport[]
  /** The faults of the replica. */
  readonly faults: readonly ReplicaFault[]
  /** The newest state that can be restored from undamaged files; undefined if none can. */
  readonly restorable: { readonly txid: number; readonly timestamp: Date } | undefined
  /**
   * The newest TXID of any file. The replica is healthy if it is restorable up to here and has no
   * faults.
   */
  readonly maxTxid: number
}

export interface VerifyReplicaOptions {
  /** Number of files read in parallel; default 2. */
  readonly parallelism?: number
  /** Called after each file, with the files and bytes that were read, and all of them. */
  readonly onProgress?: (done: {
    readonly files: number
    readonly totalFiles: number
    readonly bytes: number
    readonly totalBytes: number
  }) => void
  /** Aborts the verification; its promise then rejects. */
  readonly signal?: AbortSignal
}

/**
 * Gaps and overlaps within each level of a listing. Snapshots are skipped, because all of them
 * begin at TXID 1. A gap that ends where one of `snapshots` does is not a fault: the primary left
 * out TXIDs, which no commit ever had, and continued with that snapshot. Nor is a gap behind a file
 * of `held` (heldKey), which retention has left when it deleted the files that followed.
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
  /** As in contiguityFaults. */
  readonly snapshots?: readonly LtxFileInfo[]
  readonly signal?: AbortSignal | undefined
}

/**
 * contiguityFaults without the gaps that the record of divergences explains. Throws what the store
 * throws.
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
    // Retention reports the damage; the gaps stay faults.
    if (isLitestreamError(error, 'LTX_CORRUPT')) return []
    throw error
  })
  if (points.length === 0) return faults
  const all = await listTogether(client, 0, options)
  const held = heldFiles(all, points, { now: Date.now(), keep: Number.POSITIVE_INFINITY })
  return contiguityFaults(client, levels, snapshots, held)
}

/**
 * Does everything a restore would do, except writing: reads every file of a replica completely and
 * checks it, including its name and listing; checks that the files of each level are contiguous;
 * and checks that the undamaged files lead to the newest state with every page of the database.
 * Faults are reported, not thrown; errors of the store are thrown.
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

/** The undamaged files that were read, with their indexes. */
type SoundFiles = ReadonlyMap<LtxFileInfo, IndexedFile>

/**
 * Reads files completely. A file deleted since it was listed is neither damaged nor sound: the plan
 * shows whether other files replace it.
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
      // The damage may have happened in transit: a damaged file is read again once.
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
 * Faults between the files of a level: pages that none of them has, page sizes, database checksums.
 */
function sequenceFaults(levels: FilesByLevel, sound: SoundFiles): ReplicaFault[] {
  const faults: ReplicaFault[] = []
  for (const files of levels.slice(0, SNAPSHOT_LEVEL)) {
    let check: PlanCheck | undefined
    let end = 0
    for (const file of files) {
      const checked = sound.get(file)
      // After a gap or a damaged file, the previous state of the database is unknown.
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
 * The newest file of the plan that reaches farthest; files that do not fit are added to the faults,
 * and the plan avoids them.
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
    // A time as target, because gaps are then no error.
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
 * Runs a check of a file. If the check fails, returns false and adds a fault, unless the file
 * already has one.
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
