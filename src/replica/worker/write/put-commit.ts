import { isLitestreamError, LitestreamError } from '../../../errors.js'
import { identifyRemote } from '../../../levels/ltx-identity.js'
import { listLevels } from '../../../levels/plan.js'
import { formatTxid } from '../../../ltx/txid.js'
import type { LtxFileInfo, LtxFileRef, ReplicaClient } from '../../../storage/replica-client.js'
import { abortError } from '../../../util/abort.js'
import { monotonicMs } from '../../../util/monotonic.js'
import { pause } from '../../../util/pause.js'
import type { UploadableCommit } from './commit-file.js'

/**
 * First and longest interval, in milliseconds, before an upload with an unknown outcome is retried;
 * it doubles.
 */
const RETRY_FIRST = 100
const RETRY_MOST = 5_000

/**
 * Errors after which the store may have the file: the request was sent and its response did not
 * arrive.
 */
const AMBIGUOUS = ['TIMEOUT', 'UNAVAILABLE', 'THROTTLED', 'ABORTED'] as const

export interface PutOptions {
  readonly signal: AbortSignal
  /** Called when the outcome of an attempt is unknown; further requests resolve it. */
  readonly onAmbiguous: (error: LitestreamError) => void
  /** When the state before the commit was last known to be the newest (`monotonicMs`). */
  readonly knownAt: number
}

/**
 * A primary deletes L0 files that are old enough and compacted, which frees their names. A commit
 * that took longer than this since the last poll must prove that its TXID is the newest.
 * Milliseconds, far below any sensible `l0-retention`.
 */
const KNOWN_MS = 60_000

/**
 * Writes a commit under a name that only one writer can create, and returns only when the store
 * certainly has it. An attempt without a response is repeated with the same bytes: either one of
 * the attempts creates the name, or another writer's file has it.
 *
 * Throws REPLICA_FENCED if another writer's file has the name, COMMIT_UNKNOWN if the signal aborts
 * while the outcome is unknown, and the store's error if it refused the first attempt.
 */
export async function putCommit(
  client: ReplicaClient,
  commit: UploadableCommit,
  options: PutOptions,
): Promise<LtxFileInfo> {
  const info = await putUntilKnown(client, commit, options)
  if (monotonicMs() - options.knownAt > KNOWN_MS) await refuseSuperseded(client, info, options.signal)
  return info
}

async function putUntilKnown(
  client: ReplicaClient,
  commit: UploadableCommit,
  { signal, onAmbiguous }: PutOptions,
): Promise<LtxFileInfo> {
  const file: LtxFileRef = { level: 0, minTxid: commit.txid, maxTxid: commit.txid }
  let ambiguous = false
  for (let wait = RETRY_FIRST; ; wait = Math.min(RETRY_MOST, wait * 2)) {
    try {
      return await client.write(file, commit.body(), { timestamp: commit.timestamp, createOnly: true, signal })
    } catch (error) {
      if (!isLitestreamError(error)) throw error
      const isAmbiguous = isLitestreamError(error, ...AMBIGUOUS)
      // The refusal may answer a retry inside the client whose first request had succeeded.
      const found = isAmbiguous ? undefined : await resolveTaken(client, file, commit, signal)
      if (found) return found
      if (!ambiguous && !isAmbiguous && !isLitestreamError(error, 'PRECONDITION_FAILED')) throw error
      ambiguous = true
      onAmbiguous(error)
    }
    await pause(wait, signal)
    if (signal.aborted) throw unknown(client, commit, abortError(signal, 'the upload'))
  }
}

/**
 * Whether the existing file of this name is this commit. Undefined if no file has the name, or if
 * the store does not respond. Throws REPLICA_FENCED.
 */
async function resolveTaken(
  client: ReplicaClient,
  file: LtxFileRef,
  commit: UploadableCommit,
  signal: AbortSignal,
): Promise<LtxFileInfo | undefined> {
  const { checksum, size } = commit.identity()
  try {
    const found = await identifyRemote(client, file, { signal })
    if (found.checksum === checksum && found.size === size) return { ...file, size, createdAt: commit.timestamp }
    const when = new Date(found.timestamp).toISOString()
    throw new LitestreamError(
      'REPLICA_FENCED',
      `${client.url}: another writer committed TXID ${formatTxid(commit.txid)} at ${when}`,
      {
        file: client.url,
        hint: 'Repeat the transaction: it was rolled back, and the next attempt sees the other commit.',
      },
    )
  } catch (error) {
    if (isLitestreamError(error, ...AMBIGUOUS, 'NOT_FOUND')) return undefined
    throw error
  }
}

/**
 * Deletes a commit whose name was free only because the file that had it was compacted and deleted:
 * other writers have reached later TXIDs. Then throws REPLICA_FENCED.
 */
export async function refuseSuperseded(client: ReplicaClient, file: LtxFileInfo, signal: AbortSignal): Promise<void> {
  const listed = (await listLevels(client, signal)).flat()
  const isBeyond = ({ level, maxTxid }: LtxFileInfo) =>
    maxTxid > file.maxTxid || (level > 0 && maxTxid === file.maxTxid)
  const [beyond] = listed.filter(isBeyond).sort((a, b) => b.maxTxid - a.maxTxid)
  if (!beyond) return
  const why = `${client.url}: other writers reached TXID ${formatTxid(beyond.maxTxid)} while this writer was paused`
  try {
    await client.delete([file], { signal })
  } catch (cause) {
    throw new LitestreamError(
      'REPLICA_FENCED',
      `${why}, and its file for TXID ${formatTxid(file.maxTxid)} could not be deleted`,
      {
        file: client.url,
        hint: 'Delete the L0 file of this TXID by hand: it does not belong to the replica.',
        cause,
      },
    )
  }
  throw new LitestreamError('REPLICA_FENCED', why, {
    file: client.url,
    hint: 'Repeat the transaction: it was rolled back, and the next attempt sees the other commits.',
  })
}

function unknown(client: ReplicaClient, commit: UploadableCommit, cause: LitestreamError): LitestreamError {
  return new LitestreamError(
    'COMMIT_UNKNOWN',
    `${client.url}: the store did not confirm TXID ${formatTxid(commit.txid)}, so the outcome of the commit is unknown`,
    {
      file: client.url,
      cause,
      hint: 'Open the replica again, and check whether the transaction was committed before you repeat it.',
    },
  )
}
