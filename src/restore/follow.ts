import { MAX_INPUTS, sourceOf } from '../compaction/compact.js'
import { mergeLtx } from '../compaction/merge.js'
import { isLitestreamError, LitestreamError } from '../errors.js'
import { writeDurably } from '../fs/durable.js'
import { readRegular } from '../fs/open-regular.js'
import { type Ownership, ownershipLike } from '../fs/owner.js'
import { removeFile } from '../fs/remove.js'
import { createTemporary } from '../fs/temporary.js'
import { listLevels, selectFollowing } from '../levels/plan.js'
import { formatTxid, parseTxid } from '../ltx/txid.js'
import type { LtxFileInfo, ReplicaClient } from '../storage/replica-client.js'
import { linkAbort, throwIfAborted } from '../util/abort.js'
import { pause } from '../util/pause.js'
import { FollowerFile } from './follower-file.js'
import { OutputClaim, outputExists } from './output.js'
import { restoreAnd } from './restore.js'
import type { RestoreOptions } from './restore-options.js'

export interface FollowOptions
  extends Pick<RestoreOptions, 'output' | 'integrityCheck' | 'parallelism' | 'onProgress' | 'force'> {
  /** Between two looks at the replica, ms; default 1000. Stores that can tell of changes are listened to as well. */
  readonly interval?: number
  /** The database is at this TXID now, `files` of the replica later; called at the beginning, too. */
  readonly onAdvance?: (state: { readonly txid: number; readonly files: number }) => void
  /** Something failed, a gap in the replica for one, and will be tried again. */
  readonly onError?: (error: unknown) => void
  /** The check of the restored database found something: see RestoreResult.warnings. */
  readonly onWarning?: (warning: string) => void
  /** Ends the following; it resolves then. */
  readonly signal: AbortSignal
}

/** Every so many looks all levels are listed, not only what is new in level 0. */
const FULL_LOOK_EVERY = 30
const RETRY_MOST = 60_000
/** Between two tries to get a lock that readers hold. Milliseconds. */
const LOCK_RETRY = 50

/** Errors that trying again does not mend. */
const FATAL = [
  'REPLICA_RESET',
  'HYDRATION_CONFLICT',
  'PAGE_SIZE_MISMATCH',
  'INVALID_ARGUMENT',
  'ACCESS_DENIED',
] as const

/**
 * Restores a database and then keeps it up with the replica until the signal ends it. Any SQLite may read the file at any moment and
 * sees whole transactions only; it must not be written to. `<output>-txid` says where it is; with both files there, following goes
 * on from there. Nothing else may restore to the output meanwhile. Throws what restore throws, OUTPUT_EXISTS for a database without
 * that file, REPLICA_RESET if the replica was reset, HYDRATION_CONFLICT if another program wrote to the database.
 */
export async function follow(client: ReplicaClient, options: FollowOptions): Promise<void> {
  const { output, signal } = options
  if (signal.aborted) return
  const claim = await OutputClaim.take(output, { wait: false, signal })
  try {
    await followClaimed(client, { ...options, output: claim.path }, claim)
  } finally {
    await claim.release()
  }
}

async function followClaimed(client: ReplicaClient, options: FollowOptions, claim: OutputClaim): Promise<void> {
  const { output, signal } = options
  const saved = await resume(output, options.force ?? false)
  try {
    if (saved === undefined) await start(client, options, claim)
  } catch (error) {
    if (signal.aborted) return
    throw error
  }
  const file = await FollowerFile.open(output)
  try {
    const txid = saved === undefined ? await savedTxid(output) : reconcile(output, saved, file.counter)
    options.onAdvance?.({ txid, files: 0 })
    await new Follower(client, file, txid, options).run()
  } finally {
    await file.close()
  }
}

function txidFile(output: string): string {
  return `${output}-txid`
}

async function saveTxid(output: string, txid: number, ownership?: Ownership): Promise<void> {
  await writeDurably(txidFile(output), Buffer.from(`${formatTxid(txid)}\n`), ownership ? { ownership } : {})
}

/** The TXID to go on from; undefined: begin anew. */
async function resume(output: string, force: boolean): Promise<number | undefined> {
  if (!(await outputExists(output)) || force) return undefined
  try {
    return await savedTxid(output)
  } catch (cause) {
    throw new LitestreamError(
      'OUTPUT_EXISTS',
      `cannot follow: ${output} exists, but ${txidFile(output)} does not say its TXID`,
      {
        file: output,
        cause,
        hint: 'Follow into a new file, or use force (-force) to replace the database.',
      },
    )
  }
}

async function savedTxid(output: string): Promise<number> {
  return parseTxid((await readRegular(txidFile(output))).toString('utf8').trim())
}

/** A crash between a change and saving its TXID leaves the database, whose header counts along, ahead of what was saved. */
function reconcile(output: string, saved: number, counter: number): number {
  const ahead = (counter - (saved % 2 ** 32) + 2 ** 32) % 2 ** 32
  if (ahead < 2 ** 31) return saved + ahead
  throw new LitestreamError('HYDRATION_CONFLICT', `${output} is older than ${txidFile(output)} says`, {
    file: output,
    hint: 'Follow into a new file, or use force (-force) to replace the database.',
  })
}

async function start(client: ReplicaClient, options: FollowOptions, claim: OutputClaim): Promise<void> {
  const { output, onWarning } = options
  const finish = async (temporary: string, txid: number) => {
    if (txid === 0) {
      throw new LitestreamError(
        'TXID_NOT_AVAILABLE',
        `${client.url} was written by Litestream 0.3, which cannot be followed`,
        {
          file: client.url,
          hint: 'Restore it once, without following; replicate it with a newer version to follow it.',
        },
      )
    }
    await FollowerFile.prepare(temporary, txid)
    // The TXID is there before the database gets its name, and after an old one is gone: alone it means nothing, but a database with
    // another one's TXID would be taken for what it is not.
    await removeFile(output)
    await saveTxid(output, txid, await ownershipLike(temporary))
  }
  const { warnings } = await restoreAnd(client, options, { claim, finish })
  for (const warning of warnings) onWarning?.(warning)
}

class Follower {
  readonly #client: ReplicaClient
  readonly #file: FollowerFile
  readonly #options: FollowOptions
  #txid: number
  #wake: (() => void) | undefined

  constructor(client: ReplicaClient, file: FollowerFile, txid: number, options: FollowOptions) {
    this.#client = client
    this.#file = file
    this.#txid = txid
    this.#options = options
  }

  async run(): Promise<void> {
    const { signal, interval = 1000, onError } = this.#options
    await this.#client.watch?.(() => this.#wake?.(), { signal }).catch((error: unknown) => onError?.(error))
    let failures = 0
    for (let look = 0; !signal.aborted; look++) {
      let wait = interval
      try {
        // The first look is at everything: the way may have been cut off while nobody followed.
        const files = await this.#next(look % FULL_LOOK_EVERY === 0 || failures > 0)
        if (files.length > 0) {
          await this.#advance(files)
          wait = 0
        }
        failures = 0
      } catch (error) {
        if (signal.aborted) return
        if (isLitestreamError(error, ...FATAL)) throw error
        onError?.(error)
        wait = Math.min(RETRY_MOST, interval * 2 ** failures++)
      }
      if (wait > 0) await this.#sleep(wait)
    }
  }

  async #sleep(ms: number): Promise<void> {
    const { signal } = this.#options
    const woken = new AbortController()
    this.#wake = () => woken.abort()
    const unlink = linkAbort(signal, woken)
    await pause(ms, woken.signal)
    unlink()
    this.#wake = undefined
  }

  /** The files that come next; usually those of level 0, which cost one listing. */
  async #next(all: boolean): Promise<LtxFileInfo[]> {
    const { signal } = this.#options
    const level0: LtxFileInfo[] = []
    for await (const file of this.#client.list(0, { fromTxid: this.#txid + 1, signal })) level0.push(file)
    if (!all && (level0.length === 0 || level0[0]!.minTxid === this.#txid + 1)) {
      return selectFollowing([level0], this.#txid).slice(0, MAX_INPUTS)
    }
    const levels = await listLevels(this.#client, signal)
    const newest = levels.flat().reduce((max, { maxTxid }) => Math.max(max, maxTxid), 0)
    if (newest < this.#txid) {
      throw new LitestreamError(
        'REPLICA_RESET',
        `${this.#client.url} ends at TXID ${formatTxid(newest)}, before ${formatTxid(this.#txid)} of ${this.#options.output}`,
        { file: this.#client.url, hint: 'The replica was started anew: follow into a new file, or again with -force.' },
      )
    }
    return selectFollowing(levels, this.#txid).slice(0, MAX_INPUTS)
  }

  /** Applies files as one change, as soon as readers let it. */
  async #advance(files: readonly LtxFileInfo[]): Promise<void> {
    const { output, signal, onAdvance } = this.#options
    // One merged file in a local place: it is read twice, and the network is out of the way while the lock is held.
    const { path: spool, handle } = await createTemporary(output)
    try {
      const { header, bytes } = await mergeLtx(files.map((file) => sourceOf(this.#client, file, { signal })))
      for await (const chunk of bytes) await handle.writeFile(chunk)
      const read = () => handle.createReadStream({ start: 0, autoClose: false, highWaterMark: 256 * 1024 })
      while (!(await this.#file.apply(read, spool))) {
        throwIfAborted(signal, `applying to ${output}`)
        await pause(LOCK_RETRY, signal)
      }
      this.#txid = header.maxTxid
      await saveTxid(output, header.maxTxid)
      onAdvance?.({ txid: header.maxTxid, files: files.length })
    } finally {
      await handle.close()
      await removeFile(spool)
    }
  }
}
