import { mkdir } from 'node:fs/promises'
import path from 'node:path'
import PQueue from 'p-queue'
import { isLitestreamError, LitestreamError } from '../../errors.js'
import { lockPgno } from '../../ltx/format.js'
import { native } from '../../native.js'
import type { ChainState } from '../chain/chain.js'
import type { FileReader } from '../chain/file-index.js'
import { type FileTable, fileLabel, replaced } from '../chain/file-table.js'
import type { NativeHydratedFile } from '../native-replica.js'
import { type FetchRange, planFetch, type WantedPage } from '../pages/fetch-plan.js'
import type { Reresolve } from '../pages/fetcher.js'
import { pageKey } from '../pages/page-store.js'
import type { ReplicaView } from '../pages/view-set.js'
import { CopyMeta } from './copy-meta.js'
import { PageSet } from './page-set.js'
import { WholeFile } from './whole-file.js'

/** Ranges in hand at once: some on their way from the store while others are decoded and written. */
const PARALLEL_RANGES = 6
/** Bytes of one read; smaller than a scan's, so that a page someone waits for is never far behind. */
const RANGE = 4 * 1024 * 1024
/** Progress is made durable this often while filling. */
const META_INTERVAL_MS = 5000
const RETRY_MS = 1000
const MAX_RETRY_MS = 60_000

export interface HydratorOptions {
  readonly replica: number
  readonly path: string
  readonly url: string
  readonly state: ChainState
  readonly client: FileReader
  readonly files: () => FileTable
  readonly signal: AbortSignal
  /** Points a view at other files, because one of its files is gone or damaged. */
  readonly reresolve: Reresolve
  readonly onHydrated: () => void
  /** A new file could be opened after all: views that are made from now on may read from it. Must `adopt` one. */
  readonly onReopened: () => void
  readonly onError: (error: LitestreamError) => void
}

/**
 * Fills a local file with the current view, page by page, and keeps it there.
 *
 * `#present` says of each page whether the file has the content that the current view wants; only such pages are entered into
 * views. A page that some older view may still read from the file is rewritten only when the current view is the only one. The
 * meta file tells, for a TXID, which pages are present; it is written after the pages it speaks of are durable, and it gives a page
 * up before that is overwritten. So a page is to be trusted after a crash exactly if the meta file has it, the state is of that
 * TXID or later, and the file that provides the page now ends at or before it.
 */
export class Hydrator {
  /** Null while a new one could not be opened in the place of the old: nothing is read from a copy then. */
  file: NativeHydratedFile | null
  readonly #options: HydratorOptions
  readonly #queue: PQueue
  #present: PageSet
  /** Pages of the file that some view's table has pointed at since the file was opened. */
  #used: PageSet
  #view: ReplicaView | undefined
  #working: Promise<void> | undefined
  #complete = false
  #retryMs = RETRY_MS
  /** Pages that the file has room for. */
  #capacity = 0
  #closed = false
  /** Ordinals of the files that the filling under way reads. */
  #reading = new Set<number>()
  readonly #meta: CopyMeta

  private constructor(options: HydratorOptions, file: NativeHydratedFile, present: PageSet, meta: CopyMeta) {
    this.#options = options
    this.#meta = meta
    this.file = file
    this.#present = present
    // Views that an earlier worker made may read any page of a file that was open already, of a larger database than it is now, too.
    this.#used = PageSet.all(native.sharedPages(options.replica, file))
    this.#queue = new PQueue({ concurrency: PARALLEL_RANGES })
  }

  /** Throws HYDRATION_CONFLICT where another process, or another replica, fills the same file. */
  static async open(options: HydratorOptions): Promise<Hydrator> {
    const { state } = options
    await mkdir(path.dirname(options.path), { recursive: true })
    const meta = await CopyMeta.read(options.path, options.url, state.pageSize)
    const file = native.openHydrated(options.replica, options.path, state.pageSize, !meta.usable)
    if (typeof file === 'number') throw openError(options.path, file)
    try {
      await meta.opened()
      return new Hydrator(options, file, meta.presentAt(state, options.files()), meta)
    } catch (error) {
      native.closeHydrated(file)
      throw error
    }
  }

  /** The first view: pages that an earlier run left are in it at once. */
  adopt(view: ReplicaView): void {
    this.#view = view
    try {
      this.#resize(view.state.commit)
    } catch (error) {
      // Without room nothing can be read from the file; the filling tries again and reports.
      this.#present = new PageSet()
      this.#options.onError(error as LitestreamError)
    }
    this.#mark(view, this.#present.toArray(view.state.commit))
    this.#report()
  }

  start(): void {
    this.#work()
  }

  /** A view follows on another: what changed is no longer in the file. */
  advance(before: ReplicaView, view: ReplicaView, changed: Uint32Array): void {
    for (const pgno of changed) this.#present.delete(pgno)
    if (view.state.commit < before.state.commit) this.#present.truncate(view.state.commit)
    this.#view = view
    this.#report()
  }

  /** The view's pages have nothing in common with the file any more. */
  restart(state: ChainState, reset: boolean): void {
    if (!reset && this.file && state.pageSize === this.#view?.state.pageSize) {
      this.#present = new PageSet()
      this.#complete = false
      return
    }
    // Nothing of the old file is what the new state wants, whether or not there can be a new one.
    const old = this.file
    this.file = null
    this.#present = new PageSet()
    this.#used = new PageSet()
    this.#capacity = 0
    this.#complete = false
    try {
      this.#openFresh(state.pageSize)
    } catch (error) {
      this.#options.onError(error as LitestreamError)
    }
    if (old) native.closeHydrated(old)
  }

  #openFresh(pageSize: number): void {
    const { replica, path } = this.#options
    const file = native.openHydrated(replica, path, pageSize, true)
    if (typeof file === 'number') throw openError(path, file)
    this.file = file
    this.#meta.begunAnew()
  }

  /** Called after every poll: what may be written now is written. */
  fold(): void {
    this.#work()
  }

  async close(): Promise<void> {
    this.#closed = true
    // What is queued ends by itself, having looked whether this is closed. (A queue that is cleared leaves those who wait, waiting.)
    await this.#working
    try {
      await this.#saveMeta()
    } finally {
      if (this.file) native.closeHydrated(this.file)
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
        this.#options.onError(
          error instanceof LitestreamError
            ? error
            : new LitestreamError('STORAGE_FAILED', String(error), { cause: error }),
        )
        setTimeout(() => this.#work(), this.#retryMs).unref()
        this.#retryMs = Math.min(this.#retryMs * 2, MAX_RETRY_MS)
      })
      .finally(() => {
        this.#working = undefined
      })
  }

  async #fill(): Promise<void> {
    let retried = false
    for (;;) {
      if (this.#view && !this.file && !this.#closed) {
        this.#openFresh(this.#view.state.pageSize)
        this.#options.onReopened()
      }
      const view = this.#view
      const { file } = this
      if (!view || !file || this.#closed) return
      this.#resize(view.state.commit)
      const wanted = this.#missing(view, file)
      if (wanted.length === 0) break
      this.#reading = new Set(wanted.map(({ file }) => file))
      const whole = await this.#wholeFiles(wanted)
      const partly = wanted.filter(({ file }) => !whole.has(file))
      const pages = [...partly, ...[...whole.values()].flatMap((file) => file.pages)]
      await this.#meta.giveUp(wanted.map(({ pgno }) => pgno))
      const needed = new Set(wanted.map(({ file, pgno }) => pageKey(file, pgno)))
      const results = await Promise.allSettled(
        planFetch(pages, undefined, RANGE).map((range) =>
          this.#queue.add(() => this.#fetch(file, range, needed, whole.get(range.file))),
        ),
      )
      // Begun anew meanwhile: what was read is of no use, and of no file all.
      if (this.file !== file) continue
      if (results.every(({ status }) => status === 'fulfilled')) results.push(...(await this.#verify(whole)))
      const failed = results.find((result) => result.status === 'rejected')
      if (!failed) {
        this.#retryMs = RETRY_MS
        continue
      }
      const { reason } = failed
      // A damaged reply is asked for once more before another file is looked for.
      if (isLitestreamError(reason, 'LTX_CORRUPT') && !retried) {
        retried = true
        continue
      }
      if (this.#closed || !isLitestreamError(reason, 'NOT_FOUND', 'LTX_CORRUPT', 'INVALID_ARGUMENT')) throw reason
      await this.#elsewhere(view, reason)
    }
    this.#reading = new Set()
    await this.#completed()
  }

  /** Adds the ordinals of the files that are being read. */
  collectFiles(into: Set<number>): void {
    for (const file of this.#reading) into.add(file)
  }

  /** Files of which most is wanted, read whole so that they can be verified. */
  async #wholeFiles(wanted: readonly WantedPage[]): Promise<Map<number, WholeFile>> {
    const { client, files, signal } = this.#options
    const bytes = new Map<number, number>()
    for (const { file, size } of wanted) bytes.set(file, (bytes.get(file) ?? 0) + size)
    const whole = new Map<number, WholeFile>()
    await Promise.all(
      [...bytes].map(async ([file, size]) => {
        const info = files().get(file)
        if (size >= info.size / 2) whole.set(file, await WholeFile.open(client, info, file, signal))
      }),
    )
    return whole
  }

  /** What a file brought that does not add up is absent again. */
  #verify(whole: ReadonlyMap<number, WholeFile>): Promise<PromiseSettledResult<void>[]> {
    return Promise.allSettled(
      [...whole].map(async ([file, { pages }]) => {
        try {
          await (whole.get(file) as WholeFile).verify(this.#options.signal)
        } catch (error) {
          if (isLitestreamError(error, 'LTX_CORRUPT')) await this.#distrust(file, pages)
          throw error
        }
      }),
    )
  }

  async #distrust(file: number, pages: readonly WantedPage[]): Promise<void> {
    const view = this.#view
    if (!view) return
    const pgnos = pages.filter(({ pgno }) => view.state.map.fileOf(pgno) === file).map(({ pgno }) => pgno)
    for (const pgno of pgnos) this.#present.delete(pgno)
    native.unmarkHydrated(this.#options.replica, view.id, Uint32Array.from(pgnos))
    this.#report()
    await this.#meta.giveUp(pgnos)
  }

  /** Throws the cause again where no other file has what the lost one had. */
  async #elsewhere(view: ReplicaView, cause: LitestreamError): Promise<void> {
    const { files, reresolve } = this.#options
    const lost = files().byLabel(cause.file)
    const before = view.state.map
    await reresolve(view, cause, lost)
    if (this.#view === view && view.state.map === before) throw cause
  }

  /** Pages of the current view that the file does not have and that nobody else reads from it. */
  #missing(view: ReplicaView, file: NativeHydratedFile): WantedPage[] {
    const { commit, pageSize, map } = view.state
    const alone = native.sharingViews(this.#options.replica, file) <= 1
    const lock = lockPgno(pageSize)
    const wanted: WantedPage[] = []
    for (let pgno = this.#present.firstMissing(1); pgno <= commit; pgno = this.#present.firstMissing(pgno + 1)) {
      if (pgno === lock || (!alone && this.#used.has(pgno))) continue
      const place = map.find(pgno)
      if (place.file !== 0) wanted.push({ pgno, ...place })
    }
    return wanted
  }

  async #fetch(
    file: NativeHydratedFile,
    range: FetchRange,
    needed: ReadonlySet<number>,
    whole: WholeFile | undefined,
  ): Promise<void> {
    if (this.#closed || this.file !== file) return
    const { client, files, signal } = this.#options
    const info = files().get(range.file)
    const { data, fileSize } = await client.read(info, { offset: range.offset, length: range.length }, { signal })
    if (fileSize !== info.size) throw replaced(info, fileSize)
    // The replica was begun anew meanwhile: what was read is of no use.
    if (this.file !== file) return
    const pages = [...range.pages].sort((a, b) => a.pgno - b.pgno)
    const wanted = pages.map(({ file, pgno }) => needed.has(pageKey(file, pgno)))
    const frames = new Uint32Array(pages.length * 4)
    pages.forEach((page, i) => {
      frames.set([page.offset - range.offset, page.size, page.pgno, wanted[i] ? 1 : 0], i * 4)
    })
    // A transaction that begins meanwhile sees the current view or a newer one, and neither reads these pages from the file.
    const [errno, damaged, crc, length] = await native.writeHydrated(file, data, frames)
    if (errno !== 0) throw openError(this.#options.path, errno)
    if (damaged >= 0) {
      throw new LitestreamError(
        'LTX_CORRUPT',
        `${fileLabel(info)}: the frame of page ${pages[damaged].pgno} is damaged`,
        {
          file: fileLabel(info),
          offset: pages[damaged].offset,
          pgno: pages[damaged].pgno,
        },
      )
    }
    whole?.add({ range, crc, length })
    const current = this.#view
    if (!current || this.file !== file) return
    // The view may have moved on: only what it still wants in this version is present.
    const fresh = pages
      .filter(({ pgno, file }, i) => wanted[i] && current.state.map.fileOf(pgno) === file)
      .map(({ pgno }) => pgno)
    for (const pgno of fresh) this.#present.add(pgno)
    this.#mark(current, Uint32Array.from(fresh))
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
    // Once complete, what a crash costs is fetching again what changed since the meta file was written.
    const due = !this.#complete || this.#meta.age > META_INTERVAL_MS
    if (due && this.#meta.txid !== view.state.txid) await this.#saveMeta()
    if (this.#complete) return
    this.#complete = true
    this.#options.onHydrated()
  }

  async #saveMeta(): Promise<void> {
    const view = this.#view
    const { file } = this
    if (!view || !file) return
    await this.#meta.save(view.state, this.#options.files(), this.#present, async () => {
      const errno = await native.syncHydrated(file)
      if (errno !== 0) throw openError(this.#options.path, errno)
    })
  }

  #resize(commit: number): void {
    if (commit <= this.#capacity || !this.file) return
    const errno = native.resizeHydrated(this.file, commit)
    if (errno !== 0) throw openError(this.#options.path, errno)
    this.#capacity = commit
  }

  #report(): void {
    const view = this.#view
    if (!view) return
    const { commit, pageSize } = view.state
    const missing = this.#present.missing(commit, lockPgno(pageSize))
    native.setHydration(this.#options.replica, commit === 0 ? 1 : (commit - missing) / commit, this.#options.path)
  }
}

const EAGAIN = 11
const ENOSPC = 28

function openError(file: string, errno: number): LitestreamError {
  if (errno === EAGAIN || errno === 35) {
    return new LitestreamError('HYDRATION_CONFLICT', `${file} is being filled in by another replica or process`, {
      file,
      hint: 'Give each process its own hydration_path.',
    })
  }
  if (errno === ENOSPC) {
    return new LitestreamError('DISK_FULL', `no space left for the local copy ${file}`, {
      file,
      hint: 'Free space; hydration goes on by itself, reads are served from the store meanwhile.',
    })
  }
  return new LitestreamError('STORAGE_FAILED', `${file}: system error ${errno}`, { file })
}
