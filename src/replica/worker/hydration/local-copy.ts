import { LitestreamError } from '../../../errors.js'
import { sweepTemporary } from '../../../fs/temporary.js'
import { lockPgno } from '../../../ltx/format.js'
import { native } from '../../../native/addon.js'
import type { NativeHydratedFile } from '../../../native/replica.js'
import { Breather } from '../../../util/breather.js'
import type { ChainState } from '../chain/chain.js'
import type { FileTable } from '../chain/file-ordinals.js'
import { PageRuns } from '../chain/page-runs.js'
import { PageSet } from '../chain/page-set.js'
import type { ReplicaView } from '../pages/view-set.js'
import { type LackingFile, lackingFiles } from './fill-plan.js'
import { CopyFile } from './hydration-file.js'
import { metaPath } from './meta-format.js'
import { CopyMeta } from './meta-keeper.js'

/**
 * Interval in milliseconds at which the meta file is saved while the local copy is being filled.
 */
const META_INTERVAL_MS = 5000
/** Number of pages that are removed from a view together. */
const MARKED_AT_ONCE = 65_536

export interface LocalCopyOptions {
  readonly replica: number
  readonly path: string
  readonly url: string
  readonly state: ChainState
  readonly files: () => FileTable
  readonly onError: (error: LitestreamError) => void
}

/**
 * The file of a local copy, and the set of pages that the file contains.
 *
 * `#present` says for each page whether the file has the page's content in the current view. Only
 * pages that are present in the file are added to views. If an older view may still read a page
 * from the file, the page is not overwritten until the current view is the only view. The meta file
 * lists the pages that are present at one TXID. The meta file is written after the present pages
 * are durable. Before a page of the file is overwritten, the page is removed from the meta file.
 * After a crash, a page that the meta file lists is correct if the state of the replica has the
 * TXID of the meta file or a later TXID. In addition, the LTX file that now provides the page must
 * end at or before the TXID of the meta file.
 */
export class LocalCopy {
  #file: CopyFile | undefined
  readonly #options: LocalCopyOptions
  /** The path of the local copy. Symbolic links in the path are resolved. */
  readonly #path: string
  #present: PageSet
  /**
   * The pages in the file to which the page table of any view has referred since the file was
   * opened.
   */
  #used: PageSet
  #view: ReplicaView | undefined
  #complete = false
  readonly #meta: CopyMeta
  /**
   * 'replaced' if the worker has already reported that another program replaced the file. The
   * worker reports each replacement only once.
   */
  #reported: 'replaced' | undefined

  private constructor(options: LocalCopyOptions, path: string, file: CopyFile, present: PageSet, meta: CopyMeta) {
    this.#options = options
    this.#path = path
    this.#meta = meta
    this.#file = file
    this.#present = present
    // Views of an earlier worker may read any page of a file that was already open. A page of an
    // old view may be beyond the current size of the database.
    this.#used = PageSet.all(native.sharedPages(options.replica, file.handle))
  }

  /**
   * Opens a local copy. Throws HYDRATION_CONFLICT if another process or replica fills the same
   * file.
   */
  static async open(options: LocalCopyOptions): Promise<LocalCopy> {
    const { state } = options
    const path = await CopyFile.prepare(options.path)
    const meta = await CopyMeta.read(path, options.url, state.pageSize)
    const file = CopyFile.open(options.replica, path, state.pageSize, !meta.usable)
    try {
      await meta.opened()
      // `sweepTemporary` removes temporary files that a killed process left. Only the process that
      // holds the lock of the local copy writes files beside the local copy.
      for (const each of [path, metaPath(path)]) await sweepTemporary(each)
      if (meta.wasChanged) options.onError(changedWhileClosed(options.path))
      return new LocalCopy(options, path, file, await meta.presentAt(state, options.files()), meta)
    } catch (error) {
      file.close()
      throw error
    }
  }

  /**
   * The open file of the local copy, or undefined if the worker could not open a new file in place
   * of the old file.
   */
  get file(): CopyFile | undefined {
    return this.#file
  }

  get handle(): NativeHydratedFile | null {
    return this.#file?.handle ?? null
  }

  /** The view with whose pages the local copy is filled. */
  get view(): ReplicaView | undefined {
    return this.#view
  }

  /** TXID of the newest meta file. The TXID is 0 if no meta file exists. */
  get savedTxid(): number {
    return this.#meta.txid
  }

  get complete(): boolean {
    return this.#complete
  }

  /** Makes the pages that an earlier run left in the file available to the first view. */
  async adopt(view: ReplicaView): Promise<void> {
    this.#view = view
    try {
      this.#file?.resize(view.state.commit)
    } catch (error) {
      // If the disk is full, no page can be read from the local copy. The loop that fills the local
      // copy retries and reports the error.
      this.#present = new PageSet()
      this.#options.onError(error as LitestreamError)
    }
    const breather = new Breather()
    for (const part of this.#present.parts(view.state.commit)) {
      this.#mark(view, part)
      await breather.rest()
    }
    this.#report()
  }

  /**
   * Replaces the current view by a view that continues the current view. Pages that differ between
   * the two views are no longer valid in the local copy.
   */
  advance(before: ReplicaView, view: ReplicaView, changed: Uint32Array): void {
    for (const pgno of changed) this.#present.delete(pgno)
    if (view.state.commit < before.state.commit) this.#present.truncate(view.state.commit)
    this.#view = view
    this.#report()
  }

  /** Empties the local copy, because the new state does not continue the current view. */
  restart(state: ChainState, reset: boolean): void {
    if (!reset && this.#file && state.pageSize === this.#view?.state.pageSize) {
      this.#present = new PageSet()
      this.#complete = false
      return
    }
    // The new state needs no page of the old file, so the old file is closed even if a new file
    // cannot be opened.
    this.#discard()
    try {
      this.#openFresh(state.pageSize)
    } catch (error) {
      this.#options.onError(error as LitestreamError)
    }
  }

  /**
   * Opens a new file of the local copy for the current view. Returns false if the local copy was
   * closed during the call (`isClosed` reports this), or if `restart` has already opened a new
   * file.
   */
  async reopen(isClosed: () => boolean): Promise<boolean> {
    await CopyFile.prepare(this.#path)
    if (isClosed() || this.#file || !this.#view) return false
    this.#openFresh(this.#view.state.pageSize)
    return true
  }

  #openFresh(pageSize: number): void {
    this.#file = CopyFile.open(this.#options.replica, this.#path, pageSize, true)
    this.#meta.replicaWasReset(pageSize)
  }

  /**
   * Checks whether another program has removed, truncated or changed the file. If the file has been
   * removed, truncated or changed, no view reads from the file any more, and a new file must be
   * opened.
   */
  checkFile(): void {
    const change = this.#file?.changed()
    if (change === undefined || change === this.#reported) return
    const { path, onError } = this.#options
    // The file that replaced the local copy may be important, so this process does not change it.
    // The file that this process has open has no name any more. The system deletes the file when
    // the process ends.
    const isReplaced = change === 'replaced'
    const next = isReplaced
      ? 'this process does not change the new file, and stops filling its local copy'
      : 'this process fills a new local copy'
    this.#reported = isReplaced ? change : undefined
    onError(
      new LitestreamError('HYDRATION_CONFLICT', `${path} was ${change} by another program: ${next}`, {
        file: path,
        hint: CONFLICT_HINT,
      }),
    )
    if (!isReplaced) this.#discard()
  }

  #discard(): void {
    const old = this.#file
    this.#file = undefined
    this.#present = new PageSet()
    this.#used = new PageSet()
    this.#complete = false
    old?.close()
    this.#report()
  }

  /**
   * Returns the pages of a view that the local copy lacks and that may be written now. The pages
   * are grouped by LTX file.
   */
  lacking({ state }: ReplicaView, file: CopyFile): Promise<LackingFile[]> {
    const { commit, map, pageSize } = state
    const alone = native.sharingViews(this.#options.replica, file.handle) <= 1
    const lock = lockPgno(pageSize)
    // A page that another view reads from the local copy must not be overwritten.
    const isFree = (pgno: number) => pgno <= commit && pgno !== lock && (alone || !this.#used.has(pgno))
    return lackingFiles(map, this.#present, isFree)
  }

  /**
   * Removes pages from the meta file. After the promise resolves, the caller may overwrite these
   * pages in the local copy.
   */
  giveUp(pgnos: readonly PageRuns[]): Promise<void> {
    return this.#meta.giveUp(pgnos)
  }

  /**
   * Records that pages of the LTX file `ordinal` were written. The current view may have changed
   * during the write, so a written page counts as present only if the current view needs the
   * version of the page in this LTX file.
   */
  async add(ordinal: number, written: Uint32Array): Promise<void> {
    const view = this.#view
    if (!view) return
    const fresh = written.filter((pgno) => view.state.map.fileOf(pgno) === ordinal)
    for (const pgno of fresh) this.#present.add(pgno)
    this.#mark(view, fresh)
    this.#report()
    if (this.#meta.age > META_INTERVAL_MS) await this.#saveMeta()
  }

  /** Records that the pages of a damaged LTX file are not present. */
  async distrust(ordinal: number, written: PageRuns): Promise<void> {
    const view = this.#view
    if (!view) return
    const own = new PageRuns()
    for (const part of written.parts(MARKED_AT_ONCE)) {
      const pgnos = part.filter((pgno) => view.state.map.fileOf(pgno) === ordinal)
      for (const pgno of pgnos) {
        this.#present.delete(pgno)
        own.add(pgno)
      }
      native.unmarkHydrated(this.#options.replica, view.id, pgnos)
    }
    this.#report()
    await this.#meta.giveUp([own])
  }

  #mark(view: ReplicaView, pgnos: Uint32Array): void {
    for (const pgno of pgnos) this.#used.add(pgno)
    native.markHydrated(this.#options.replica, view.id, pgnos)
  }

  /**
   * Must be called when no more page can be written to the local copy. Returns whether the local
   * copy is complete for the first time.
   */
  async completed(): Promise<boolean> {
    const view = this.#view
    if (!view || this.#present.missing(view.state.commit, lockPgno(view.state.pageSize)) > 0) return false
    // After the local copy is complete, the meta file is saved less often. After a crash, the
    // worker then fetches only the pages that changed after the meta file was written.
    const due = !this.#complete || this.#meta.age > META_INTERVAL_MS
    if (due && this.#meta.txid !== view.state.txid) await this.#saveMeta()
    if (this.#complete) return false
    this.#complete = true
    return true
  }

  async close(): Promise<void> {
    try {
      await this.#saveMeta(true)
    } finally {
      this.#file?.close()
    }
  }

  async #saveMeta(closing = false): Promise<void> {
    const view = this.#view
    const file = this.#file
    if (!view || !file) return
    await this.#meta.save(view.state, this.#options.files(), this.#present, () => file.sync(), closing)
  }

  #report(): void {
    const view = this.#view
    if (!view) return
    const { commit, pageSize } = view.state
    const missing = this.#present.missing(commit, lockPgno(pageSize))
    native.setHydration(this.#options.replica, commit === 0 ? 1 : (commit - missing) / commit, this.#options.path)
  }
}

const CONFLICT_HINT =
  'Other programs must open a local copy read-only. Set a different hydration_path for each process.'

function changedWhileClosed(file: string): LitestreamError {
  return new LitestreamError(
    'HYDRATION_CONFLICT',
    `another program changed ${file}: this process fills the local copy again`,
    {
      file,
      hint: CONFLICT_HINT,
    },
  )
}
