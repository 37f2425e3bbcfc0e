import PQueue from 'p-queue'
import { isLitestreamError, LitestreamError, toLitestreamError } from '../../../errors.js'
import { sweepTemporary } from '../../../fs/temporary.js'
import { fileIdentity } from '../../../levels/file-identity.js'
import { fileOfError, reading } from '../../../levels/file-of-error.js'
import type { FileReader } from '../../../levels/remote-index.js'
import { lockPgno } from '../../../ltx/format.js'
import { native } from '../../../native/addon.js'
import type { NativeHydratedFile } from '../../../native/replica.js'
import type { LtxFileInfo } from '../../../storage/replica-client.js'
import { Doubling } from '../../../util/back-off.js'
import { Breather } from '../../../util/breather.js'
import { settleAll } from '../../../util/settle-all.js'
import { startTimer } from '../../../util/timers.js'
import type { ChainState } from '../chain/chain.js'
import type { FileTable } from '../chain/file-ordinals.js'
import { PageSet } from '../chain/page-set.js'
import type { Reresolve } from '../pages/fetcher.js'
import type { ReplicaView } from '../pages/view-set.js'
import type { WholeFile } from './checksummed-file.js'
import { type FillRange, type LackingFile, lackingFiles, planFill, RANGE } from './fill-plan.js'
import { fillRange } from './fill-range.js'
import { CopyFile } from './hydration-file.js'
import { metaPath } from './meta-format.js'
import { CopyMeta } from './meta-keeper.js'

/** Ranges processed in parallel: some are being fetched while others are decoded and written. */
const PARALLEL_RANGES = 6
/** Interval at which progress is made durable while filling. */
const META_INTERVAL_MS = 5000
/** Pages added to a view before the loop yields to other work. */
const MARKED_AT_ONCE = 65_536
const RETRY_MS = 1000
const MAX_RETRY_MS = 60_000

export interface HydratorOptions {
  readonly replica: number
  readonly path: string
  readonly url: string
  readonly state: ChainState
  /** The files from which the state was made. */
  readonly planned: readonly LtxFileInfo[]
  readonly client: FileReader
  readonly files: () => FileTable
  readonly signal: AbortSignal
  /** Points a view at other files when one of its files is deleted or damaged. */
  readonly reresolve: Reresolve
  readonly onHydrated: () => void
  /**
   * A new file could finally be opened: views created from now on may read from it. The callback
   * must `adopt` one.
   */
  readonly onReopened: () => void
  readonly onError: (error: LitestreamError) => void
}

/**
 * Fills a local file with the current view, page by page, and keeps it up to date.
 *
 * `#present` says for each page whether the file has the content of the current view; only such
 * pages are added to views. A page that an older view may still read from the file is overwritten
 * only when the current view is the only one. The meta file lists, for a TXID, the pages that are
 * present. The meta file is written after these pages are durable, and a page is removed from it
 * before the page is overwritten. So after a crash a page can be trusted exactly if the meta file
 * lists it, the state has that TXID or a later one, and the file that now provides the page ends at
 * or before that TXID.
 */
export class Hydrator {
  #copy: CopyFile | undefined
  readonly #options: HydratorOptions
  /** The real path, with symbolic links resolved. */
  readonly #path: string
  readonly #queue: PQueue
  #present: PageSet
  /** Pages of the file that some view's page table has referred to since the file was opened. */
  #used: PageSet
  #view: ReplicaView | undefined
  #working: Promise<void> | undefined
  #complete = false
  readonly #retries = new Doubling(RETRY_MS, MAX_RETRY_MS)
  #closed = false
  /** Ordinals of the files that are being read. */
  #reading = new Set<number>()
  /** Range buffers that are not in use. */
  #buffers: Uint8Array[] = []
  readonly #meta: CopyMeta
  /** Set after it was reported that the file was replaced, until that ends. */
  #reported: 'replaced' | undefined
  /** Files that were read completely and are undamaged (`fileIdentity`). */
  readonly #verified = new Set<string>()
  /**
   * Files of the first plan that are not verified yet. A file that no page is needed of must be
   * verified too, because its index may omit pages that it should have.
   */
  #unverified: readonly LtxFileInfo[]

  private constructor(options: HydratorOptions, path: string, copy: CopyFile, present: PageSet, meta: CopyMeta) {
    this.#options = options
    // The earlier run has read and verified the files up to the TXID of its meta file.
    this.#unverified = options.planned.filter(({ maxTxid }) => maxTxid > meta.txid)
    this.#path = path
    this.#meta = meta
    this.#copy = copy
    this.#present = present
    // Views of an earlier worker may read any page of a file that was already open, also beyond the
    // current size of the database.
    this.#used = PageSet.all(native.sharedPages(options.replica, copy.handle))
    this.#queue = new PQueue({ concurrency: PARALLEL_RANGES })
  }

  /** Throws HYDRATION_CONFLICT if another process or replica fills the same file. */
  static async open(options: HydratorOptions): Promise<Hydrator> {
    const { state } = options
    const path = await CopyFile.prepare(options.path)
    const meta = await CopyMeta.read(path, options.url, state.pageSize)
    const copy = CopyFile.open(options.replica, path, state.pageSize, !meta.usable)
    try {
      await meta.opened()
      // Removes files left by a killed process: only the holder of the lock writes files beside the
      // local copy.
      for (const file of [path, metaPath(path)]) await sweepTemporary(file)
      if (meta.wasChanged) options.onError(changedWhileClosed(options.path))
      return new Hydrator(options, path, copy, await meta.presentAt(state, options.files()), meta)
    } catch (error) {
      copy.close()
      throw error
    }
  }

  /**
   * Null if no new file could be opened in place of the old one: nothing is then read from a copy.
   */
  get file(): NativeHydratedFile | null {
    return this.#copy?.handle ?? null
  }

  /** Adds the pages left by an earlier run to the first view. */
  async adopt(view: ReplicaView): Promise<void> {
    this.#view = view
    try {
      this.#copy?.resize(view.state.commit)
    } catch (error) {
      // With a full disk nothing can be read from the file; the filling loop retries and reports
      // the error.
      this.#present = new PageSet()
      this.#options.onError(error as LitestreamError)
    }
    const present = this.#present.toArray(view.state.commit)
    const breather = new Breather()
    for (let at = 0; at < present.length; at += MARKED_AT_ONCE) {
      this.#mark(view, present.subarray(at, at + MARKED_AT_ONCE))
      await breather.rest()
    }
    this.#report()
  }

  start(): void {
    this.#work()
  }

  /** A new view continues the current one: its changed pages are no longer valid in the file. */
  advance(before: ReplicaView, view: ReplicaView, changed: Uint32Array): void {
    for (const pgno of changed) this.#present.delete(pgno)
    if (view.state.commit < before.state.commit) this.#present.truncate(view.state.commit)
    this.#view = view
    this.#report()
  }

  /** The new view has nothing in common with the file. */
  restart(state: ChainState, reset: boolean): void {
    this.#unverified = []
    if (!reset && this.#copy && state.pageSize === this.#view?.state.pageSize) {
      this.#present = new PageSet()
      this.#complete = false
      return
    }
    // The new state needs nothing of the old file, whether or not a new file can be opened.
    this.#discard()
    try {
      this.#openFresh(state.pageSize)
    } catch (error) {
      this.#options.onError(error as LitestreamError)
    }
  }

  #openFresh(pageSize: number): void {
    this.#copy = CopyFile.open(this.#options.replica, this.#path, pageSize, true)
    this.#meta.replicaWasReset(pageSize)
  }

  /** Called after every poll: writes pages that have become writable. */
  fold(): void {
    this.#checkCopy()
    this.#work()
  }

  /**
   * If another program has removed, truncated or changed the file, stops reading from it and fills
   * a new one.
   */
  #checkCopy(): void {
    const change = this.#closed ? undefined : this.#copy?.changed()
    if (change === undefined || change === this.#reported) return
    const { path, onError } = this.#options
    // The file that replaced ours may be important and is left alone. Ours has no name any more and
    // ends with the process.
    const isReplaced = change === 'replaced'
    const next = isReplaced
      ? 'the new file is not changed, and this process stops filling its local copy'
      : 'a new local copy is filled'
    this.#reported = isReplaced ? change : undefined
    onError(
      new LitestreamError('HYDRATION_CONFLICT', `${path} was ${change} by another program: ${next}`, {
        file: path,
        hint: 'Open a local copy only for reading, and give each process its own hydration_path.',
      }),
    )
    if (!isReplaced) this.#discard()
  }

  #discard(): void {
    const old = this.#copy
    this.#copy = undefined
    this.#present = new PageSet()
    this.#used = new PageSet()
    this.#complete = false
    old?.close()
    this.#report()
  }

  async close(): Promise<void> {
    this.#closed = true
    // Queued work ends after it has checked that this is closed. (Clearing the queue would leave
    // its waiters pending.)
    await this.#working
    try {
      await this.#saveMeta(true)
    } finally {
      this.#copy?.close()
    }
  }

  get complete(): boolean {
    return this.#complete
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
    /** Files in whose place others were looked up (`fileIdentity`). */
    const replaced = new Set<string>()
    for (;;) {
      if (this.#view && !this.#copy && !this.#closed) {
        await CopyFile.prepare(this.#path)
        if (this.#closed) return
        this.#openFresh(this.#view.state.pageSize)
        this.#options.onReopened()
      }
      const view = this.#view
      const copy = this.#copy
      if (!view || !copy || this.#closed) return
      copy.resize(view.state.commit)
      const lacking = await this.#lacking(view, copy)
      if (lacking.length === 0) break
      const failure = await this.#fillFiles(view, copy, lacking)
      // The local copy was reset meanwhile: the pages read are useless, and no file was completed.
      if (copy.closed) continue
      if (failure === undefined) {
        this.#retries.reset()
        continue
      }
      // A damaged response is requested again once before another file is used.
      if (isLitestreamError(failure, 'LTX_CORRUPT') && !retried) {
        retried = true
        continue
      }
      if (this.#closed || !isLitestreamError(failure, 'NOT_FOUND', 'LTX_CORRUPT', 'INVALID_ARGUMENT')) throw failure
      const lost = fileOfError(failure)
      // A file that was replaced and is needed again: the next attempt is made after a wait.
      if (!lost || replaced.has(fileIdentity(lost))) throw failure
      replaced.add(fileIdentity(lost))
      await this.#elsewhere(view, failure, lost)
    }
    this.#reading = new Set()
    this.#buffers = []
    await this.#completed()
  }

  /**
   * The pages of the current view that the local copy lacks, and the files of the first plan that
   * must be verified.
   */
  async #lacking(view: ReplicaView, copy: CopyFile): Promise<LackingFile[]> {
    const { commit, map, pageSize } = view.state
    const alone = native.sharingViews(this.#options.replica, copy.handle) <= 1
    const lock = lockPgno(pageSize)
    // A page that another view reads from the file is not overwritten.
    const isFree = (pgno: number) => pgno <= commit && pgno !== lock && (alone || !this.#used.has(pgno))
    const lacking = await lackingFiles(map, this.#present, isFree)
    const table = this.#options.files()
    const known = new Set(lacking.map(({ file }) => file))
    const others = this.#unverified.map((file) => table.ordinal(file)).filter((file) => !known.has(file))
    return [...lacking, ...others.map((file) => ({ file, pgnos: new Uint32Array() }))]
  }

  /** Reads and writes the missing pages. Returns the first error. */
  async #fillFiles(view: ReplicaView, copy: CopyFile, lacking: readonly LackingFile[]): Promise<unknown> {
    this.#reading = new Set(lacking.map(({ file }) => file))
    const { client, files, signal } = this.#options
    const isVerified = (file: LtxFileInfo) => this.#verified.has(fileIdentity(file))
    try {
      const plan = await planFill(lacking, view.state.map, { client, files, signal, isVerified })
      await this.#meta.giveUp(lacking.map(({ pgnos }) => pgnos))
      const fetched = plan.ranges.map((range) => this.#queue.add(() => this.#fetch(copy, range)))
      await settleAll(fetched)
      if (!copy.closed) await settleAll(plan.whole.map((file) => this.#verify(file)))
      return undefined
    } catch (error) {
      // A file of the first plan that no page is needed of may have been deleted.
      const gone = isLitestreamError(error, 'NOT_FOUND') ? fileOfError(error) : undefined
      const needless = lacking.some(({ file, pgnos }) => pgnos.length === 0 && gone === files().get(file))
      if (!gone || !needless) return error
      this.#forget(gone)
      return undefined
    }
  }

  /** Adds the ordinals of the files that are being read. */
  collectFiles(into: Set<number>): void {
    for (const file of this.#reading) into.add(file)
  }

  /** Makes the pages of a file absent again if its checksum does not match. */
  async #verify(file: WholeFile): Promise<void> {
    try {
      await reading(file.info, () => file.verify(this.#options.signal))
    } catch (error) {
      if (isLitestreamError(error, 'LTX_CORRUPT')) await this.#distrust(file)
      throw error
    }
    this.#verified.add(fileIdentity(file.info))
    this.#forget(file.info)
  }

  async #distrust({ file, frames }: WholeFile): Promise<void> {
    const view = this.#view
    if (!view) return
    const pgnos = frames.pgnos.filter((pgno) => view.state.map.fileOf(pgno) === file)
    for (const pgno of pgnos) this.#present.delete(pgno)
    native.unmarkHydrated(this.#options.replica, view.id, pgnos)
    this.#report()
    await this.#meta.giveUp([pgnos])
  }

  /** Throws the cause if no other file has the pages of the lost one. */
  async #elsewhere(view: ReplicaView, cause: LitestreamError, lost: LtxFileInfo): Promise<void> {
    const before = view.state.map
    await this.#options.reresolve(view, cause, lost)
    if (this.#view === view && view.state.map === before) throw cause
    // The state is now made from other files.
    this.#forget(lost)
  }

  /** A file of the first plan needs no verification any more. */
  #forget(file: LtxFileInfo): void {
    this.#unverified = this.#unverified.filter((each) => fileIdentity(each) !== fileIdentity(file))
  }

  async #fetch(copy: CopyFile, range: FillRange): Promise<void> {
    if (this.#closed || copy.closed) return
    const { client, files, signal } = this.#options
    const { file, whole } = range.from
    // Reuses buffers: the ranges of a large database would create garbage faster than it is
    // collected.
    const buffer = this.#buffers.pop() ?? new Uint8Array(RANGE)
    const info = files().get(file)
    const filled = await reading(info, () => fillRange(copy, client, info, range, buffer, signal))
    this.#buffers.push(buffer)
    if (!filled) return
    whole?.add(filled.piece)
    const current = this.#view
    if (!current || copy.closed) return
    // The current view may have changed: only pages of which it still needs this version are
    // present.
    const fresh = filled.written.filter((pgno) => current.state.map.fileOf(pgno) === file)
    for (const pgno of fresh) this.#present.add(pgno)
    this.#mark(current, fresh)
    this.#report()
    if (this.#meta.age > META_INTERVAL_MS) await this.#saveMeta()
  }

  #mark(view: ReplicaView, pgnos: Uint32Array): void {
    for (const pgno of pgnos) this.#used.add(pgno)
    native.markHydrated(this.#options.replica, view.id, pgnos)
  }

  async #completed(): Promise<void> {
    const view = this.#view
    if (!view || this.#present.missing(view.state.commit, lockPgno(view.state.pageSize)) > 0) return
    // After the local copy is complete, a crash costs only fetching the pages that changed since
    // the meta file was written.
    const due = !this.#complete || this.#meta.age > META_INTERVAL_MS
    if (due && this.#meta.txid !== view.state.txid) await this.#saveMeta()
    if (this.#complete) return
    this.#complete = true
    this.#options.onHydrated()
  }

  async #saveMeta(closing = false): Promise<void> {
    const view = this.#view
    const copy = this.#copy
    if (!view || !copy) return
    await this.#meta.save(view.state, this.#options.files(), this.#present, () => copy.sync(), closing)
  }

  #report(): void {
    const view = this.#view
    if (!view) return
    const { commit, pageSize } = view.state
    const missing = this.#present.missing(commit, lockPgno(pageSize))
    native.setHydration(this.#options.replica, commit === 0 ? 1 : (commit - missing) / commit, this.#options.path)
  }
}

function changedWhileClosed(file: string): LitestreamError {
  return new LitestreamError('HYDRATION_CONFLICT', `another program changed ${file}: the local copy is filled again`, {
    file,
    hint: 'Open a local copy only for reading, and give each process its own hydration_path.',
  })
}
