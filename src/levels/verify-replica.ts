import { isLitestreamError, LitestreamError } from '../errors.js'
import { SNAPSHOT_LEVEL } from '../ltx/format.js'
import { formatTxid } from '../ltx/txid.js'
import type { LtxFileInfo, ReplicaClient } from '../storage/replica-client.js'
import { throwIfAborted } from '../util/abort.js'
import { runAll } from '../util/run-all.js'
import { decodeListed } from './file-check.js'
import { fileLabel } from './file-label.js'
import { type FilesByLevel, listLevels, selectPlan } from './plan.js'
import { addIndexed, denseFrom, type IndexedFile, PlanCheck } from './plan-check.js'

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
 * Does what a restore would do, without writing: reads every file of a replica and checks all of it, its name and listing included;
 * checks that the files of each level follow on each other; and that a plan of the sound files leads to the newest state with every
 * page of the database. What is wrong is reported, not thrown; what the store throws passes through.
 */
export async function verifyReplica(client: ReplicaClient, options: VerifyReplicaOptions = {}): Promise<ReplicaReport> {
  const { signal } = options
  const levels = await listLevels(client, signal)
  const all = levels.flat()
  const faults = contiguityFaults(client, levels)
  const { sound, damaged } = await readFiles(client, all, options)
  faults.push(...damaged, ...sequenceFaults(levels, sound))
  const newest = newestRestorable(levels, sound, faults)
  return {
    levels: levels.map((files, level) => ({
      level,
      files: files.length,
      bytes: files.reduce((sum, { size }) => sum + size, 0),
      minTxid: files[0]?.minTxid ?? 0,
      maxTxid: files.reduce((max, { maxTxid }) => Math.max(max, maxTxid), 0),
    })),
    faults,
    restorable: newest && { txid: newest.header.maxTxid, timestamp: newest.header.timestamp },
    maxTxid: all.reduce((max, { maxTxid }) => Math.max(max, maxTxid), 0),
  }
}

/** What is remembered of the files that were read and are sound. */
type SoundFiles = ReadonlyMap<LtxFileInfo, IndexedFile>

/** Reads files to their end. One that was deleted since it was listed is in neither answer: whether others lead on, the plan tells. */
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
      // Damage may have happened on the way here: what looks damaged is read once more.
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

/** Where the files of a level do not fit the ones before them: pages that are in none of them, page sizes, database checksums. */
function sequenceFaults(levels: FilesByLevel, sound: SoundFiles): ReplicaFault[] {
  const faults: ReplicaFault[] = []
  for (const files of levels.slice(0, SNAPSHOT_LEVEL)) {
    let check: PlanCheck | undefined
    let end = 0
    for (const file of files) {
      const checked = sound.get(file)
      // After a gap, or a damaged file, nothing is known of the database before.
      if (!checked || file.minTxid > end + 1) check = undefined
      if (!checked) continue
      if (!check) check = new PlanCheck({}, checked, checked.header.commit)
      else collect(faults, file, () => addIndexed(check!, checked))
      end = file.maxTxid
    }
  }
  return faults
}

/** The newest file of the plan that leads farthest; files that do not fit in are added to the faults, and planned around. */
function newestRestorable(levels: FilesByLevel, sound: SoundFiles, faults: ReplicaFault[]): IndexedFile | undefined {
  const unfit = new Set<LtxFileInfo>()
  for (;;) {
    const usable = levels.map((files) => files.filter((file) => sound.has(file) && !unfit.has(file)))
    // A time as target, because gaps do not end such a plan with an error.
    const plan = selectPlan(usable, { timestamp: Number.POSITIVE_INFINITY })
    const check = new PlanCheck()
    const bad = plan.find((file) => !collect(faults, file, () => addIndexed(check, sound.get(file)!)))
    if (bad === undefined) return check.last as IndexedFile | undefined
    unfit.add(bad)
  }
}

/** Runs a check of a file; false, and a fault unless the file has one, if it fails. */
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
