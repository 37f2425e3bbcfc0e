import { LitestreamError } from '../../../errors.js'
import { sweepTemporary } from '../../../fs/temporary.js'
import { lockPgno } from '../../../ltx/format.js'
import { native } from '../../../native/addon.js'
import type { NativeHydratedFile } from '../../../native/replica.js'
import { Breather } from '../../../util/breather.js'
import type { ChainState } from '../chain/chain.js'
import type { FileTable } from '../chain/file-ordinals.js'
import { PageSet } from '../chain/page-set.js'
import type { ReplicaView } from '../pages/view-set.js'
import { type LackingFile, lackingFiles } from './fill-plan.js'
import { CopyFile } from './hydration-file.js'
import { metaPath } from './meta-format.js'
import { CopyMeta } from './meta-keeper.js'

/** Interval at which progress is made durable while filling. */
const META_INTERVAL_MS = 5000
/** Pages added to a view before the loop yields to other work. */
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
 * The file of a local copy, and the pages in it.
 *
 * `#present` says for each page whether the file has the content of the current view; only such
 * pages are added to views. A page that an older view may still read from the file is overwritten
 * only when the current view is the only one. The meta file lists, for a TXID, the pages that are
 * present. The meta file is written after these pages are durable, and a page is removed from it
 * before the page is overwritten. So after a crash a page can be trusted exactly if the meta file
 * lists it, the state has that TXID or a later one, and the file that now provides the page ends at
 * or before that TXID.
 */
export class LocalCopy {
  #file: CopyFile | undefined
  readonly #options: LocalCopyOptions
  /** The real path, with symbolic links resolved. */
  readonly #path: string
  #present: PageSet
  /** Pages of the file that some view's page table has referred to since the file was opened. */
  #used: PageSet
  #view: ReplicaView | undefined
  #complete = false
  readonly #meta: CopyMeta
  /** Set after it was reported that the file was replaced, until that ends. */
  #reported: 'replaced' | undefined

  private constructor(options: LocalCopyOptions, path: string, file: CopyFile, present: PageSet, meta: CopyMeta) {
    this.#options = options
    this.#path = path
    this.#meta = meta
    this.#file = file
    this.#present = present
    // Views of an earlier worker may read any page of a file that was already open, also beyond the
    // current size of the database.
    this.#used = PageSet.all(native.sharedPages(options.replica, file.handle))
  }

  /** Throws HYDRATION_CONFLICT if another process or replica fills the same file. */
  static async open(options: LocalCopyOptions): Promise<LocalCopy> {
    const { state } = options
    const path = await CopyFile.prepare(options.path)
    const meta = await CopyMeta.read(path, options.url, state.pageSize)
    const file = CopyFile.open(options.replica, path, state.pageSize, !meta.usable)
    try {
      await meta.opened()
      // Removes files left by a killed process: only the holder of the lock writes files beside the
      // local copy.
      for (const each of [path, metaPath(path)]) await sweepTemporary(each)
      if (meta.wasChanged) options.onError(changedWhileClosed(options.path))
      return new LocalCopy(options, path, file, await meta.presentAt(state, options.files()), meta)
    } catch (error) {
      file.close()
      throw error
    }
  }

  /** Undefined while no new file could be opened in place of the old one. */
  get file(): CopyFile | undefined {
    return this.#file
  }

  get handle(): NativeHydratedFile | null {
    return this.#file?.handle ?? null
  }

  /** The view whose pages the file has or will have. */
  get view(): ReplicaView | undefined {
    return this.#view
  }

  /** TXID of the newest meta file; 0 without one. */
  get savedTxid(): number {
    return this.#meta.txid
  }

  get complete(): boolean {
    return this.#complete
  }

  /** Adds the pages left by an earlier run to the first view. */
  async adopt(view: ReplicaView): Promise<void> {
    this.#view = view
    try {
      this.#file?.resize(view.state.commit)
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

  /** A new view continues the current one: its changed pages are no longer valid in the file. */
  advance(before: ReplicaView, view: ReplicaView, changed: Uint32Array): void {
    for (const pgno of changed) this.#present.delete(pgno)
    if (view.state.commit < before.state.commit) this.#present.truncate(view.state.commit)
    this.#view = view
    this.#report()
  }

  /** The new view has nothing in common with the file. */
  restart(state: ChainState, reset: boolean): void {
    if (!reset && this.#file && state.pageSize === this.#view?.state.pageSize) {
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

  /**
   * Opens a new file for the current view. Returns false if the copy was closed meanwhile, as
   * `isClosed` says, or `restart` has opened a file.
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
   * If another program has removed, truncated or changed the file, stops reading from it; a new
   * file must then be opened.
   */
  checkFile(): void {
    const change = this.#file?.changed()
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

  /** The pages of a view that the file lacks and that may be written now, by their LTX file. */
  lacking({ state }: ReplicaView, file: CopyFile): Promise<LackingFile[]> {
    const { commit, map, pageSize } = state
    const alone = native.sharingViews(this.#options.replica, file.handle) <= 1
    const lock = lockPgno(pageSize)
    // A page that another view reads from the file is not overwritten.
    const isFree = (pgno: number) => pgno <= commit && pgno !== lock && (alone || !this.#used.has(pgno))
    return lackingFiles(map, this.#present, isFree)
  }

  /** Resolves when no meta file on disk lists these pages: then they may be overwritten. */
  giveUp(pgnos: readonly Uint32Array[]): Promise<void> {
    return this.#meta.giveUp(pgnos)
  }

  /**
   * Pages of the LTX file `ordinal` were written. The current view may have changed meanwhile: only
   * pages of which it still needs this version are present.
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

  /** Makes the pages of a damaged LTX file absent again. */
  async distrust(ordinal: number, written: Uint32Array): Promise<void> {
    const view = this.#view
    if (!view) return
    const pgnos = written.filter((pgno) => view.state.map.fileOf(pgno) === ordinal)
    for (const pgno of pgnos) this.#present.delete(pgno)
    native.unmarkHydrated(this.#options.replica, view.id, pgnos)
    this.#report()
    await this.#meta.giveUp([pgnos])
  }

  #mark(view: ReplicaView, pgnos: Uint32Array): void {
    for (const pgno of pgnos) this.#used.add(pgno)
    native.markHydrated(this.#options.replica, view.id, pgnos)
  }

  /** Called when no page can be written; returns whether the copy is complete for the first time. */
  async completed(): Promise<boolean> {
    const view = this.#view
    if (!view || this.#present.missing(view.state.commit, lockPgno(view.state.pageSize)) > 0) return false
    // After the local copy is complete, a crash costs only fetching the pages that changed since
    // the meta file was written.
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

const CONFLICT_HINT = 'Other programs must open a local copy read-only. Give each process its own hydration_path.'

function changedWhileClosed(file: string): LitestreamError {
  return new LitestreamError('HYDRATION_CONFLICT', `another program changed ${file}: the local copy is filled again`, {
    file,
    hint: CONFLICT_HINT,
  })
}
