import { type FileIndex, type FilePiece, WHOLE_FILE_SIZE } from '../../../levels/remote-index.js'
import type { FileTable } from '../chain/file-ordinals.js'
import type { RecentFiles } from '../hydration/recent-files.js'
import type { WantedPage } from '../pages/fetch-plan.js'
import type { Fetcher } from '../pages/fetcher.js'
import type { PageStore } from '../pages/page-store.js'
import { isResident } from '../pages/resident.js'
import type { ReplicaView } from '../pages/view-set.js'

/**
 * Maximum size of new files that are read whole, as long as the cache has that many resident pages;
 * and with a local copy. Bytes.
 */
const WHOLE_CHANGES = 1024 * 1024
const WHOLE_HYDRATED = 8 * 1024 * 1024
/** All pages of a file are stored if they take at most this fraction of the cache. */
const FEW_CHANGES = 256

/**
 * Pages that were read together with the indexes of files, at an opening and at a poll. Worker
 * thread.
 */
export class FilePages {
  readonly #fetcher: Fetcher
  readonly #files: FileTable
  /** With a local copy: passes on the files that were read. */
  readonly #recent: RecentFiles | undefined

  constructor(fetcher: Fetcher, files: FileTable, recent: RecentFiles | undefined) {
    this.#fetcher = fetcher
    this.#files = files
    this.#recent = recent
  }

  /**
   * The maximum size in bytes of a new file that is read whole: larger files contain more pages
   * than are useful.
   */
  wholeFiles(store: PageStore): number {
    if (this.#recent) return WHOLE_HYDRATED
    return Math.max(WHOLE_FILE_SIZE, Math.min(WHOLE_CHANGES, store.size * store.pageSize))
  }

  /**
   * Stores the beginnings of the files of a first view, which SQLite reads first, and small files
   * completely.
   */
  storeHeads(view: ReplicaView, files: readonly FileIndex[]): void {
    for (const file of files) {
      this.#keep(file)
      for (const piece of file.pieces.slice(0, 1)) this.#storePiece(view, file, piece)
    }
  }

  /** Stores the other pages that were read with the indexes of these files. */
  storeRest(view: ReplicaView, files: readonly FileIndex[]): void {
    for (const file of files) for (const piece of file.pieces.slice(1)) this.#storePiece(view, file, piece)
  }

  /**
   * Stores pages that were read with the indexes and cost no further request. Of the changes since
   * the view `before`, stores pages that were resident and new pages; of a file with few pages,
   * all.
   */
  store(view: ReplicaView, files: readonly FileIndex[], before: ReplicaView): void {
    for (const file of files) {
      this.#keep(file)
      const few = file.frames.length <= view.store.slots / FEW_CHANGES
      const isUseful = (pgno: number) =>
        few || this.#recent !== undefined || pgno > before.state.commit || isResident(before, pgno)
      for (const piece of file.pieces) this.#storePiece(view, file, piece, isUseful)
    }
  }

  #keep({ info, pieces }: FileIndex): void {
    const [first] = pieces
    if (first?.bytes.length === info.size) this.#recent?.keep(info, first.bytes)
  }

  /** `isUseful`: selects the changed pages, at a poll. */
  #storePiece(
    view: ReplicaView,
    { info, frames }: FileIndex,
    piece: FilePiece,
    isUseful?: (pgno: number) => boolean,
  ): void {
    const { offset, bytes } = piece
    const file = this.#files.ordinal(info)
    const end = offset + bytes.length
    const pages: WantedPage[] = []
    for (const frame of frames) {
      if (frame.offset < offset || frame.offset + frame.size > end) continue
      if (view.state.map.fileOf(frame.pgno) !== file || isUseful?.(frame.pgno) === false) continue
      pages.push({ file, ...frame })
      // More pages would only evict each other.
      if (pages.length === view.store.slots) break
    }
    this.#fetcher.store(view, bytes, offset, pages, isUseful && 'changes')
  }

  /**
   * Prefetches resident pages that changed in files too large to be read whole, before a reader
   * misses them.
   */
  bringChanges(before: ReplicaView, view: ReplicaView, changed: Uint32Array): void {
    if (this.#recent) return
    const most = view.store.slots / 4
    const pages: number[] = []
    for (const pgno of changed) {
      if (!isResident(before, pgno) || isResident(view, pgno)) continue
      if (pages.length >= most) return
      pages.push(pgno)
    }
    void this.#fetcher.bring(view, pages, 'changes')
  }
}
