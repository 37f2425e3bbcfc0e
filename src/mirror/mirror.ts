import { isLitestreamError, LitestreamError, toLitestreamError } from '../errors.js'
import { PathClaims } from '../fs/path-claims.js'
import type { ReplicaClient } from '../storage/replica-client.js'
import { replicaFolder } from '../storage/replica-folder.js'
import { linkAbort } from '../util/abort.js'
import { Doubling } from '../util/back-off.js'
import type { Resolved } from '../util/check-arguments.js'
import { pause } from '../util/pause.js'
import { DEFAULT_MIRROR_INTERVAL, type FollowMirrorOptions, type MirrorOptions, type MirrorResult } from './options.js'
import { type DamagedFiles, MirrorPass } from './pass.js'
import { Throttle } from './throttle.js'

/** Default minimum time in milliseconds between two mirror passes. */
const MIN_INTERVAL_MS = 1000
/** Shortest and longest delay in milliseconds before a failed mirror pass is repeated. */
const RETRY_MS = [1000, 60_000] as const

/**
 * Brings the replica `destination` up to date with the replica `source` once. Copies every LTX file
 * that the destination lacks, verifies each file during the copy, and deletes files of the
 * destination according to `retention`. The two replicas may be in different kinds of stores. The
 * destination can be restored at any moment. After an interruption, the next call of mirror()
 * copies the remaining files. Throws REPLICA_EMPTY if the source is empty. Throws REPLICA_FENCED if
 * a primary writes to the destination. Throws REPLICA_RESET if the destination is not a copy of the
 * source. Throws errors of the stores.
 */
export async function mirror(
  source: ReplicaClient,
  destination: ReplicaClient,
  options: Resolved<MirrorOptions> = {},
): Promise<MirrorResult> {
  refuseSame(source, destination)
  return new MirrorPass({ source, destination }, options, new Throttle(options.bytesPerSecond)).run()
}

/**
 * Runs mirror passes until `signal` is aborted, and then resolves. If a pass fails, calls `onError`
 * and repeats the pass. Rejects if a pass fails with REPLICA_FENCED or REPLICA_RESET, because the
 * next pass would fail with the same error.
 */
export async function followMirror(
  source: ReplicaClient,
  destination: ReplicaClient,
  options: Resolved<FollowMirrorOptions>,
): Promise<void> {
  refuseSame(source, destination)
  const { signal, interval = DEFAULT_MIRROR_INTERVAL, minInterval = MIN_INTERVAL_MS, onPass, onError } = options
  const throttle = new Throttle(options.bytesPerSecond)
  const retry = new Doubling(...RETRY_MS)
  const changes = new Changes(source, signal)
  const damaged: DamagedFiles = new Map()
  let first = true
  while (!signal?.aborted) {
    let wait = interval
    try {
      const result = await new MirrorPass({ source, destination }, options, throttle, damaged).run()
      retry.reset()
      if (first || result.copied.length > 0 || result.deleted.length > 0) onPass?.(result)
      first = false
    } catch (error) {
      if (signal?.aborted) return
      if (isLitestreamError(error, 'REPLICA_FENCED', 'REPLICA_RESET')) throw error
      wait = retry.next()
      onError?.(toLitestreamError(error))
    }
    await pause(Math.min(minInterval, wait), signal)
    await changes.next(wait - minInterval)
  }
}

/**
 * Waits for new files in the source. A wait ends when the store of the source reports a new file,
 * or after a given time.
 */
class Changes {
  readonly #signal: AbortSignal | undefined
  #changed = new AbortController()

  constructor(source: ReplicaClient, signal: AbortSignal | undefined) {
    this.#signal = signal
    // If the store cannot report new files, every wait lasts for the whole given time.
    source.watch?.(() => this.#changed.abort(), signal ? { signal } : {}).catch(() => undefined)
  }

  async next(ms: number): Promise<void> {
    if (ms <= 0) return
    const waited = new AbortController()
    const unlink = linkAbort(this.#changed.signal, waited)
    await pause(ms, waited.signal, this.#signal)
    unlink()
    this.#changed = new AbortController()
  }
}

/**
 * Throws INVALID_ARGUMENT if both clients have the same replica, or if the folder of one replica
 * contains the folder of the other.
 */
function refuseSame(source: ReplicaClient, destination: ReplicaClient): void {
  const claims = new PathClaims()
  const folders = [source, destination].flatMap((client) => replicaFolder(client) ?? [])
  const overlap = claims.add('', folders)
  const isSame = source.url === destination.url
  if (!isSame && !overlap) return
  const what =
    isSame || !overlap
      ? 'source and destination are the same replica'
      : `the folders ${overlap.other.path} and ${overlap.claim.path} overlap`
  throw new LitestreamError('INVALID_ARGUMENT', `${source.url}: ${what}`, {
    file: source.url,
    hint: 'Give the URL of another bucket, prefix or folder as the destination.',
  })
}
