import { isLitestreamError, LitestreamError } from '../../../errors.js'
import { identifyRemote } from '../../../levels/ltx-identity.js'
import { listLevels, selectPlan } from '../../../levels/plan.js'
import { formatTxid } from '../../../ltx/txid.js'
import type { LtxFileInfo, LtxFileRef, ReplicaClient } from '../../../storage/replica-client.js'
import { mayHaveSucceeded } from '../../../storage/retry.js'
import { abortError } from '../../../util/abort.js'
import { Doubling } from '../../../util/back-off.js'
import { monotonicMs } from '../../../util/monotonic.js'
import { pause } from '../../../util/pause.js'
import { formatTimestamp } from '../../../util/timestamp.js'
import type { UploadableCommit } from './commit-file.js'
import { reached } from './steps.js'

/**
 * First and longest interval in milliseconds before an upload with an unknown outcome is retried.
 * The retry interval doubles after each attempt.
 */
const RETRY_FIRST = 100
const RETRY_MOST = 5_000

/**
 * Whether the store may have the file although the request failed. The store may have the file if
 * the request was sent but its response did not arrive.
 */
const isAmbiguous = (error: LitestreamError) =>
  isLitestreamError(error, 'ABORTED') || (mayHaveSucceeded(error) && !isLitestreamError(error, 'PRECONDITION_FAILED'))

export interface PutOptions {
  readonly signal: AbortSignal
  /**
   * Called when the outcome of an attempt is unknown. After the call of `onAmbiguous`, further
   * requests determine the outcome.
   */
  readonly onAmbiguous: (error: LitestreamError) => void
  /**
   * The monotonic time at which the state before the commit was last known to be the newest state.
   */
  readonly knownAt: number
  /** Whether a poll during the upload found a state that this commit does not continue. */
  readonly isDoubtful?: () => boolean
}

/**
 * If the last poll is at most this many milliseconds old, a commit needs no further check. A
 * primary deletes L0 files that are old enough and compacted. After the deletion, other writers can
 * use the names of these files again. If the last poll is older than KNOWN_MS, `putCommit` checks
 * that the TXID of the commit was never used before. KNOWN_MS is far below any sensible
 * `l0-retention`.
 */
export const KNOWN_MS = 60_000

/**
 * Writes a commit under a name that only one writer can create. Returns only when the store
 * certainly has the commit. If the store does not respond to an attempt, the attempt is repeated
 * with the same bytes. Either one of the attempts creates the file, or another writer's file
 * already has the name.
 *
 * Throws REPLICA_FENCED if another writer's file has the name. Throws COMMIT_UNKNOWN if the signal
 * aborts before the outcome is known. Throws the store's error if the store refused the first
 * attempt.
 */
export async function putCommit(
  client: ReplicaClient,
  commit: UploadableCommit,
  options: PutOptions,
): Promise<LtxFileInfo> {
  const info = await putUntilKnown(client, commit, options)
  const { knownAt, isDoubtful, signal } = options
  if (monotonicMs() - knownAt > KNOWN_MS || isDoubtful?.()) await refuseSuperseded(client, info, signal)
  return info
}

async function putUntilKnown(
  client: ReplicaClient,
  commit: UploadableCommit,
  { signal, onAmbiguous }: PutOptions,
): Promise<LtxFileInfo> {
  const file: LtxFileRef = { level: 0, minTxid: commit.txid, maxTxid: commit.txid }
  let ambiguous = false
  const waits = new Doubling(RETRY_FIRST, RETRY_MOST)
  for (;;) {
    try {
      reached('put')
      const info = await client.write(file, commit.body(), { timestamp: commit.timestamp, createOnly: true, signal })
      reached('stored')
      return info
    } catch (error) {
      if (!isLitestreamError(error)) throw error
      if (!isAmbiguous(error)) {
        const found = await resolveRefused(client, file, commit, {
          signal,
          error,
          ambiguous: ambiguous || mayHaveSucceeded(error),
        })
        if (found) return found
      }
      ambiguous = true
      onAmbiguous(error)
    }
    await pause(waits.next(), signal)
    if (signal.aborted) throw unknown(client, commit, abortError(signal, 'the upload'))
  }
}

interface Refusal {
  readonly signal: AbortSignal
  /** The error with which the store refused the upload. */
  readonly error: LitestreamError
  /** Whether the outcome of an earlier attempt is unknown. */
  readonly ambiguous: boolean
}

/**
 * Finds out whether the store has this commit although the store refused an attempt. Returns the
 * file of this commit if the store has the file. Returns undefined if the outcome is unknown.
 * Throws REPLICA_FENCED if another file has the name. Throws the error of the refusal if no attempt
 * can have succeeded.
 */
async function resolveRefused(
  client: ReplicaClient,
  file: LtxFileRef,
  commit: UploadableCommit,
  { signal, error, ambiguous }: Refusal,
): Promise<LtxFileInfo | undefined> {
  const isTaken = isLitestreamError(error, 'PRECONDITION_FAILED')
  if (!isTaken && !ambiguous) throw error
  try {
    const found = await identifyRemote(client, file, { signal })
    const isOwn = [commit.identity(), commit.earlier].some(
      (one) => one && found.checksum === one.checksum && found.size === one.size,
    )
    if (isOwn) return { ...file, size: found.size, createdAt: commit.timestamp }
    throw fenced(
      client,
      `another writer committed TXID ${formatTxid(commit.txid)} at ${formatTimestamp(found.timestamp)}`,
    )
  } catch (failure) {
    if (isLitestreamError(failure, 'REPLICA_FENCED')) throw failure
    if (ambiguous) return undefined
    // At this point, it is certain that no attempt of this commit created the existing file.
    if (isLitestreamError(failure))
      throw fenced(client, `another file took the name of TXID ${formatTxid(commit.txid)}`, failure)
    throw failure
  }
}

/**
 * Deletes the file of a commit. The name of the file was free, although the TXID was already used.
 * The name of a used TXID is free if the replica was reset, or if another writer's file with this
 * TXID was deleted after compaction.
 *
 * Throws REPLICA_FENCED if no restore can reach the commit. Throws COMMIT_UNKNOWN if a compacted
 * file contains the TXID. A compacted file with this TXID may contain this commit or another
 * writer's commit. Before throwing REPLICA_FENCED or COMMIT_UNKNOWN, deletes the L0 file of this
 * commit, because the replica does not need the file. Later L0 files alone are no reason to delete
 * the L0 file of this commit. The writers of the later files may have read this commit before this
 * writer received the store's response.
 */
export async function refuseSuperseded(client: ReplicaClient, file: LtxFileInfo, signal: AbortSignal): Promise<void> {
  const files = await listLevels(client, signal)
  const txid = formatTxid(file.maxTxid)
  const covers = ({ level, minTxid, maxTxid }: LtxFileInfo) =>
    level > 0 && minTxid <= file.maxTxid && maxTxid >= file.maxTxid
  if (files.flat().some(covers)) {
    await takeBack(client, file, signal)
    const why = `${client.url}: TXID ${txid} was compacted while this writer was paused, and it is unknown whether the compacted file contains this commit`
    throw new LitestreamError('COMMIT_UNKNOWN', why, { file: client.url, hint: UNKNOWN_HINT })
  }
  if (selectPlan(files, { txid: file.maxTxid }).length > 0) return
  await takeBack(client, file, signal)
  throw fenced(
    client,
    `the replica was reset while this writer was paused, so TXID ${txid} does not continue the replica`,
  )
}

async function takeBack(client: ReplicaClient, file: LtxFileInfo, signal: AbortSignal): Promise<void> {
  try {
    await client.delete([file], { signal })
  } catch (cause) {
    const txid = formatTxid(file.maxTxid)
    throw new LitestreamError(
      'COMMIT_UNKNOWN',
      `${client.url}: the file of TXID ${txid} does not continue the replica, and could not be deleted`,
      { file: client.url, hint: `Delete the L0 file of TXID ${txid} from the store.`, cause },
    )
  }
}

function fenced(client: ReplicaClient, why: string, cause?: unknown): LitestreamError {
  return new LitestreamError('REPLICA_FENCED', `${client.url}: ${why}`, {
    file: client.url,
    hint: 'Repeat the transaction: the transaction was rolled back, and the next attempt reads the newest state.',
    ...(cause === undefined ? {} : { cause }),
  })
}

const UNKNOWN_HINT =
  'Open the replica again. Before you repeat the transaction, query the database to see whether the transaction was committed.'

function unknown(client: ReplicaClient, commit: UploadableCommit, cause: LitestreamError): LitestreamError {
  return new LitestreamError(
    'COMMIT_UNKNOWN',
    `${client.url}: the store did not confirm TXID ${formatTxid(commit.txid)}, so the outcome of the commit is unknown`,
    {
      file: client.url,
      cause,
      hint: UNKNOWN_HINT,
    },
  )
}
