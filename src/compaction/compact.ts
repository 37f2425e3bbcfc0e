import { isLitestreamError, LitestreamError, toLitestreamError } from '../errors.js'
import { checkNotCut } from '../levels/file-check.js'
import { fileContent } from '../levels/file-identity.js'
import { fileLabel } from '../ltx/file-label.js'
import { MAX_COMPACTION_LEVEL, SNAPSHOT_LEVEL } from '../ltx/format.js'
import { formatTxid } from '../ltx/txid.js'
import type { LtxFileInfo, LtxFileRef, ReplicaClient } from '../storage/replica-client.js'
import { throwIfAborted } from '../util/abort.js'
import { mergeLtx } from './merge.js'
import type { MergeSource } from './merge-input.js'

export interface MergeFilesOptions {
  /**
   * Aborts the merge or the compaction. A file that is being written when the signal aborts is
   * stored completely or not at all.
   */
  readonly signal?: AbortSignal
  /**
   * Returns the content of a file from the local disk of the primary. If `local` returns undefined,
   * the merge reads the file from the store.
   */
  readonly local?: (file: LtxFileRef) => AsyncIterable<Uint8Array> | undefined
}

/**
 * Maximum number of inputs of one merge. Each input holds a buffer or an open stream. A compaction
 * with more inputs writes several output files.
 */
export const MAX_INPUTS = 128

/**
 * Maximum size in bytes of an input file that is read with one request. Input files above
 * STREAM_FROM are read as streams.
 */
const STREAM_FROM = 256 * 1024

export function sourceOf(client: ReplicaClient, file: LtxFileInfo, options: MergeFilesOptions): MergeSource {
  const request = options.signal ? { signal: options.signal } : {}
  const label = fileLabel(client, file)
  const remote = async function* () {
    checkNotCut(file, label)
    if (file.size > STREAM_FROM) yield* client.stream(file, request)
    else yield (await client.read(file, { offset: 0 }, request)).data
  }
  return { label, file, bytes: options.local?.(file) ?? remote() }
}

/**
 * Merges files of a replica, oldest first, into one file of another level, and returns the merged
 * file. The merged file is stored completely or not at all. If the merged file exists already
 * because another process has merged these files, returns the existing file. If a local file cannot
 * be read, the merge reads the file from the replica. Throws the errors of `mergeLtx`.
 */
export async function mergeFiles(
  client: ReplicaClient,
  files: readonly LtxFileInfo[],
  level: number,
  options: MergeFilesOptions = {},
): Promise<LtxFileInfo> {
  try {
    return await mergeOnce(client, files, level, options)
  } catch (error) {
    // The primary may delete a staged file before the merge opens the file. The file system then
    // reports an error.
    const known = toLitestreamError(error)
    if (!options.local || !isLitestreamError(known, 'LTX_CORRUPT', 'NOT_FOUND', 'STORAGE_FAILED')) throw error
    const { local: _, ...remote } = options
    return mergeOnce(client, files, level, remote)
  }
}

async function mergeOnce(
  client: ReplicaClient,
  files: readonly LtxFileInfo[],
  level: number,
  options: MergeFilesOptions,
): Promise<LtxFileInfo> {
  const { signal } = options
  const target = { level, minTxid: files[0]!.minTxid, maxTxid: files.at(-1)!.maxTxid }
  const { header, bytes, cancel } = await mergeLtx(files.map((file) => sourceOf(client, file, options)))
  try {
    const { timestamp } = header
    return await client.write(target, bytes, { timestamp, createOnly: true, ...(signal ? { signal } : {}) })
  } catch (error) {
    if (!isLitestreamError(error, 'PRECONDITION_FAILED')) throw error
    return client.stat(target, signal ? { signal } : {})
  } finally {
    await cancel()
  }
}

export interface CompactOptions extends MergeFilesOptions {
  /** The level to write, 1 to 8, from the files of the level below. */
  readonly level: number
  /**
   * The highest TXID of level `level`, or 0 if this level is empty. If `reached` is absent,
   * `compact` lists the level.
   */
  readonly reached?: number
  /**
   * Receives the error of each damaged input file that `compact` skipped because a snapshot
   * contains its transactions.
   */
  readonly onDamaged?: (error: LitestreamError) => void
}

/**
 * Merges the new files of the level below into level `level`. Returns the written files. Returns an
 * empty list if the level below has no new files. If level `level` is empty, its first file begins
 * after the oldest snapshot (see docs/compaction.md). If the replica has no snapshot, copies the
 * file that begins at TXID 1 to level 9 first.
 *
 * Skips a damaged file if a snapshot contains its transactions. Never merges files of different
 * page sizes. Throws LTX_GAP, LTX_CORRUPT, PAGE_SIZE_MISMATCH and errors of the store.
 */
export async function compact(client: ReplicaClient, options: CompactOptions): Promise<LtxFileInfo[]> {
  const { level, signal } = options
  if (!Number.isInteger(level) || level < 1 || level > MAX_COMPACTION_LEVEL) {
    throw new LitestreamError('INVALID_ARGUMENT', `cannot compact into level ${level}`, {
      hint: `Choose a target level from 1 to ${MAX_COMPACTION_LEVEL}; level ${SNAPSHOT_LEVEL} holds the snapshots.`,
    })
  }
  const written: LtxFileInfo[] = []
  let reached = options.reached ?? (await listLevel(client, level, 0, signal)).at(-1)?.maxTxid
  if (reached === 0) reached = undefined
  if (reached === undefined && level === 1) {
    const base = await promoteBase(client, options)
    if (base) written.push(base)
  }
  const damaged = new Set<string>()
  for (;;) {
    throwIfAborted(signal, `compacting into level ${level} of ${client.url}`)
    const snapshots = reached === undefined ? await listLevel(client, SNAPSHOT_LEVEL, 0, signal) : []
    const covered = reached ?? snapshots[0]?.maxTxid ?? 0
    // If the target level is not empty, its newest file ends at the last TXID of a file of the
    // level below. If the target level is empty, a file of the level below may begin before the
    // snapshot's last TXID and end after it.
    const source = await listLevel(client, level - 1, reached === undefined ? 0 : covered + 1, signal)
    const sound = source.filter((file) => !damaged.has(fileContent(file)))
    const inputs = contiguous(sound, covered)
    if (inputs.length === 0) return written
    if (inputs[0]!.minTxid > covered + 1) await allowGap(client, level, covered, inputs[0]!, signal)
    try {
      const file = await mergeFiles(client, inputs, level, options)
      written.push(file)
      reached = file.maxTxid
    } catch (error) {
      const at = inputs.findIndex((each) => isLitestreamError(error) && fileLabel(client, each) === error.file)
      if (isLitestreamError(error, 'PAGE_SIZE_MISMATCH') && at > 0) {
        const file = await mergeFiles(client, inputs.slice(0, at), level, options)
        written.push(file)
        reached = file.maxTxid
      } else if (
        isLitestreamError(error, 'LTX_CORRUPT') &&
        at >= 0 &&
        (await isInSnapshot(client, inputs[at]!, signal))
      ) {
        damaged.add(fileContent(inputs[at]!))
        options.onDamaged?.(error)
      } else throw error
    }
  }
}

/**
 * Returns whether a snapshot contains the transactions of `file`. A restore of the newest state
 * then does not need `file`.
 */
async function isInSnapshot(
  client: ReplicaClient,
  { maxTxid }: LtxFileInfo,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  return (await listLevel(client, SNAPSHOT_LEVEL, 0, signal)).some((snapshot) => snapshot.maxTxid >= maxTxid)
}

export async function listLevel(
  client: ReplicaClient,
  level: number,
  fromTxid: number,
  signal: AbortSignal | undefined,
): Promise<LtxFileInfo[]> {
  const files: LtxFileInfo[] = []
  for await (const file of client.list(level, { fromTxid, ...(signal ? { signal } : {}) })) files.push(file)
  return files
}

/** Returns the contiguous files after TXID `covered`, but at most MAX_INPUTS files. */
function contiguous(source: readonly LtxFileInfo[], covered: number): LtxFileInfo[] {
  const inputs: LtxFileInfo[] = []
  let reached = covered
  for (const file of source) {
    if (file.maxTxid <= reached) continue
    if (inputs.length === MAX_INPUTS || (inputs.length > 0 && file.minTxid > reached + 1)) break
    // If two files begin at the same TXID, the later file in the listing ends at a higher TXID. A
    // later file that begins at the same TXID contains all transactions of the earlier file, which
    // is therefore dropped.
    if (inputs.length > 0 && file.minTxid <= inputs.at(-1)!.minTxid) inputs.pop()
    inputs.push(file)
    reached = file.maxTxid
  }
  return inputs
}

/** Throws LTX_GAP unless a snapshot contains the TXIDs between `covered` and `next`. */
async function allowGap(
  client: ReplicaClient,
  level: number,
  covered: number,
  next: LtxFileInfo,
  signal: AbortSignal | undefined,
): Promise<void> {
  const snapshots = await listLevel(client, SNAPSHOT_LEVEL, 0, signal)
  if (snapshots.some(({ maxTxid }) => maxTxid >= next.minTxid - 1)) return
  throw new LitestreamError(
    'LTX_GAP',
    `${client.url}: level ${level} ends at TXID ${formatTxid(covered)}, but the next file of level ${level - 1} begins at ` +
      `TXID ${formatTxid(next.minTxid)}`,
    {
      file: fileLabel(client, next),
      hint: 'Write a new snapshot: stop the primary, run `litestream-ts replicate -once -force-snapshot DB URL`, then start the primary again.',
    },
  )
}

/**
 * Copies the L0 file that begins at TXID 1, which contains the whole database, to level 9. Returns
 * undefined if a snapshot exists already.
 */
async function promoteBase(client: ReplicaClient, options: MergeFilesOptions): Promise<LtxFileInfo | undefined> {
  const { signal } = options
  if ((await listLevel(client, SNAPSHOT_LEVEL, 0, signal)).length > 0) return undefined
  const first = (await listLevel(client, 0, 0, signal)).find(({ minTxid }) => minTxid === 1)
  return first && mergeFiles(client, [first], SNAPSHOT_LEVEL, options)
}
