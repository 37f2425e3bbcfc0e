import PQueue from 'p-queue'
import { isLitestreamError, type LitestreamError, toLitestreamError } from '../../../errors.js'
import { fileIdentity } from '../../../levels/file-identity.js'
import { fileOfError, reading } from '../../../levels/file-of-error.js'
import type { FileReader } from '../../../levels/remote-index.js'
import type { NativeHydratedFile } from '../../../native/replica.js'
import type { LtxFileInfo } from '../../../storage/replica-client.js'
import { Doubling } from '../../../util/back-off.js'
import { settleAll } from '../../../util/settle-all.js'
import { startTimer } from '../../../util/timers.js'
import type { ChainState } from '../chain/chain.js'
import { PageRuns } from '../chain/page-runs.js'
import type { Reresolve } from '../pages/fetcher.js'
import type { ReplicaView } from '../pages/view-set.js'
import type { WholeFile } from './checksummed-file.js'
import { type FillPlan, type FillRange, type LackingFile, planFill, RANGE } from './fill-plan.js'
import { fillRange } from './fill-range.js'
import type { CopyFile } from './hydration-file.js'
import { LocalCopy, type LocalCopyOptions } from './local-copy.js'

/**
 * Number of byte ranges that are fetched, decoded and written in parallel. While some ranges are
 * being fetched, other ranges are decoded and written.
 */
const PARALLEL_RANGES = 6
const RETRY_MS = 1000
const MAX_RETRY_MS = 60_000

export interface HydratorOptions extends LocalCopyOptions {
  /** The LTX files from which the first state was made. */
  readonly planned: readonly LtxFileInfo[]
  readonly client: FileReader
  readonly signal: AbortSignal
  /** Points a view at other LTX files when one of the view's LTX files is deleted or damaged. */
  readonly reresolve: Reresolve
  readonly onHydrated: () => void
  /**
   * Called when a new file for the local copy was opened after earlier failures. Views that are
   * created after the call of `onReopened` may read from the new file. The callback must pass a new
   * view to `adopt`.
   */
  readonly onReopened: () => void
}

/** Fills a local copy with the pages of the current view, and keeps the local copy up to date. */
export class Hydrator {
  readonly #copy: LocalCopy
  readonly #options: HydratorOptions
  readonly #queue = new PQueue({ concurrency: PARALLEL_RANGES })
  #working: Promise<void> | undefined
  readonly #retries = new Doubling(RETRY_MS, MAX_RETRY_MS)
  #closed = false
  /** Ordinals of the files that are being read. */
  #reading = new Set<number>()
  /** Buffers that are not in use. A buffer holds one range. */
  #buffers: Uint8Array[] = []
  /** Identities of the LTX files that were read completely and are undamaged (`fileIdentity`). */
  readonly #verified = new Set<string>()
  /**
   * LTX files of the first plan that are not verified yet. An LTX file without needed pages must be
   * verified too, because the page index of the file may omit pages.
   */
  #unverified: readonly LtxFileInfo[]

  private constructor(options: HydratorOptions, copy: LocalCopy) {
    this.#options = options
    this.#copy = copy
    // An earlier run has read and verified the LTX files up to the TXID of the meta file.
    this.#unverified = options.planned.filter(({ maxTxid }) => maxTxid > copy.savedTxid)
  }

  /**
   * Opens the local copy. Throws HYDRATION_CONFLICT if another process or replica fills the same
   * file.
   */
  static async open(options: HydratorOptions): Promise<Hydrator> {
    return new Hydrator(options, await LocalCopy.open(options))
  }

  /**
   * The open file of the local copy, or null if the worker could not open a new file in place of
   * the old file. While `file` is null, no connection reads from a local copy.
   */
  get file(): NativeHydratedFile | null {
    return this.#copy.handle
  }

  get complete(): boolean {
    return this.#copy.complete
  }

  /** Does the same as LocalCopy.adopt. */
  adopt(view: ReplicaView): Promise<void> {
    return this.#copy.adopt(view)
  }

  start(): void {
    this.#work()
  }

  /** Does the same as LocalCopy.advance. */
  advance(before: ReplicaView, view: ReplicaView, changed: Uint32Array): void {
    this.#copy.advance(before, view, changed)
  }

  /** Does the same as LocalCopy.restart. */
  restart(state: ChainState, reset: boolean): void {
    this.#unverified = []
    this.#copy.restart(state, reset)
  }

  /**
   * Must be called after every poll. `fold` writes the pages that can now be written to the local
   * copy.
   */
  fold(): void {
    if (!this.#closed) this.#copy.checkFile()
    this.#work()
  }

  async close(): Promise<void> {
    this.#closed = true
    // Each queued read checks `#closed` and then ends. If the queue were cleared instead, the
    // promises of the queued reads would stay pending.
    await this.#working
    await this.#copy.close()
  }

  #work(): void {
    if (this.#working || this.#closed) return
    this.#working = this.#fill()
      .catch((error) => {
        if (this.#options.signal.aborted || this.#closed) return
        this.#options.onError(toLitestreamError(error))
        startTimer(this.#retries.next(), () => this.#work()).unref()
      })
      .finally(() => {
        this.#working = undefined
      })
  }

  async #fill(): Promise<void> {
    let retried = false
    /**
     * Identities of the LTX files for which the worker has already searched other LTX files
     * (`fileIdentity`).
     */
    const replaced = new Set<string>()
    for (;;) {
      await this.#reopen()
      const { view, file } = this.#copy
      if (!view || !file || this.#closed) return
      file.resize(view.state.commit)
      const lacking = await this.#lacking(view, file)
      if (lacking.length === 0) break
      const failure = await this.#fillFiles(view, file, lacking)
      // The local copy may have been reset during the reads. After a reset of the local copy, the
      // pages that were read are useless, and no LTX file was verified.
      if (file.closed) continue
      if (failure === undefined) {
        this.#retries.reset()
        continue
      }
      // After a damaged response, the worker requests the same LTX file once more before it uses
      // another LTX file.
      if (isLitestreamError(failure, 'LTX_CORRUPT') && !retried) {
        retried = true
        continue
      }
      if (this.#closed || !isLitestreamError(failure, 'NOT_FOUND', 'LTX_CORRUPT', 'INVALID_ARGUMENT')) throw failure
      const lost = fileOfError(failure)
      // If other LTX files have already replaced the lost LTX file but the lost file is needed
      // again, the next attempt is made after a pause.
      if (!lost || replaced.has(fileIdentity(lost))) throw failure
      replaced.add(fileIdentity(lost))
      await this.#elsewhere(view, failure, lost)
    }
    this.#reading = new Set()
    this.#buffers = []
    if (await this.#copy.completed()) this.#options.onHydrated()
  }

  async #reopen(): Promise<void> {
    const { view, file } = this.#copy
    if (!view || file || this.#closed) return
    if (await this.#copy.reopen(() => this.#closed)) this.#options.onReopened()
  }

  /**
   * Returns the pages of the current view that the local copy lacks, and the LTX files of the first
   * plan that must be verified.
   */
  async #lacking(view: ReplicaView, into: CopyFile): Promise<LackingFile[]> {
    const lacking = await this.#copy.lacking(view, into)
    const table = this.#options.files()
    const known = new Set(lacking.map(({ file }) => file))
    const others = this.#unverified.map((file) => table.ordinal(file)).filter((file) => !known.has(file))
    return [...lacking, ...others.map((file) => ({ file, pgnos: new PageRuns() }))]
  }

  /**
   * Reads the missing pages and writes them to the local copy. Returns the first error of the reads
   * and writes. Returns undefined if no error occurred.
   */
  async #fillFiles(view: ReplicaView, into: CopyFile, lacking: readonly LackingFile[]): Promise<unknown> {
    this.#reading = new Set(lacking.map(({ file }) => file))
    const { client, files, signal } = this.#options
    const isVerified = (file: LtxFileInfo) => this.#verified.has(fileIdentity(file))
    try {
      const plan = await planFill(lacking, view.state.map, { client, files, signal, isVerified })
      await this.#copy.giveUp(lacking.map(({ pgnos }) => pgnos))
      await this.#fetchAll(into, plan)
      if (this.#closed) return undefined
      if (!into.closed) await settleAll(plan.whole.map((file) => this.#verify(file)))
      return undefined
    } catch (error) {
      // An LTX file of the first plan may have been deleted. The deletion of an LTX file is not an
      // error if no page of the file is needed.
      const gone = isLitestreamError(error, 'NOT_FOUND') ? fileOfError(error) : undefined
      const needless = lacking.some(({ file, pgnos }) => pgnos.size === 0 && gone === files().get(file))
      if (!gone || !needless) return error
      this.#forget(gone)
      return undefined
    }
  }

  /** Throws the first error after all running requests have ended. */
  async #fetchAll(into: CopyFile, { ranges }: FillPlan): Promise<void> {
    const fetched: Promise<unknown>[] = []
    try {
      for await (const range of ranges) {
        await this.#queue.onSizeLessThan(PARALLEL_RANGES)
        if (this.#closed || into.closed) break
        const fetching = this.#queue.add(() => this.#fetch(into, range))
        fetching.catch(() => undefined) // settleAll throws the error
        fetched.push(fetching)
      }
    } finally {
      await Promise.allSettled(fetched)
    }
    await settleAll(fetched)
  }

  /** Adds the ordinals of the LTX files that are being read to `into`. */
  collectFiles(into: Set<number>): void {
    for (const file of this.#reading) into.add(file)
  }

  /** Verifies the checksum of an LTX file after all its ranges were read. */
  async #verify(file: WholeFile): Promise<void> {
    try {
      await reading(file.info, () => file.verify(this.#options.signal))
    } catch (error) {
      if (isLitestreamError(error, 'LTX_CORRUPT')) await this.#copy.distrust(file.file, file.pages())
      throw error
    }
    this.#verified.add(fileIdentity(file.info))
    this.#forget(file.info)
  }

  /**
   * Finds other LTX files for the pages of the lost file. Throws `cause` if no other LTX file has
   * the pages of the lost file.
   */
  async #elsewhere(view: ReplicaView, cause: LitestreamError, lost: LtxFileInfo): Promise<void> {
    const before = view.state.map
    await this.#options.reresolve(view, cause, lost)
    if (this.#copy.view === view && view.state.map === before) throw cause
    // The view now reads from other LTX files, so the lost file needs no verification.
    this.#forget(lost)
  }

  /** Removes an LTX file from the files of the first plan that must be verified. */
  #forget(file: LtxFileInfo): void {
    this.#unverified = this.#unverified.filter((each) => fileIdentity(each) !== fileIdentity(file))
  }

  async #fetch(into: CopyFile, range: FillRange): Promise<void> {
    if (this.#closed || into.closed) return
    const { client, files, signal } = this.#options
    const { file, whole } = range.from
    // Buffers are reused. Without this reuse, the ranges of a large database would create garbage
    // faster than the garbage collector frees it.
    const buffer = this.#buffers.pop() ?? new Uint8Array(RANGE)
    const info = files().get(file)
    const filled = await reading(info, () => fillRange(into, client, info, range, buffer, signal))
    this.#buffers.push(buffer)
    if (!filled) return
    whole?.add(filled.piece)
    if (!into.closed) await this.#copy.add(file, filled.written)
  }
}
