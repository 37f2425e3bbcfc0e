import { type FileIndex, type FilePiece, WHOLE_FILE_SIZE } from '../../../levels/remote-index.js'
import type { FileTable } from '../chain/file-ordinals.js'
import type { RecentFiles } from '../hydration/recent-files.js'
import type { WantedPage } from '../pages/fetch-plan.js'
import type { Fetcher } from '../pages/fetcher.js'
import type { PageStore } from '../pages/page-store.js'
import { isResident } from '../pages/resident.js'
import type { ReplicaView } from '../pages/view-set.js'

/**
 * Maximum size in bytes of new files that are read whole. WHOLE_CHANGES is the maximum of a reader
 * without a local copy, which also does not read whole a new file that is larger than all resident
 * pages together. WHOLE_HYDRATED is the maximum of a reader with a local copy.
 */
const WHOLE_CHANGES = 1024 * 1024
const WHOLE_HYDRATED = 8 * 1024 * 1024
/**
 * If the pages of a file take at most 1/FEW_CHANGES of the cache, all pages of the file are stored.
 */
const FEW_CHANGES = 256

/**
 * Stores the pages that the worker read together with page indexes. The worker reads such pages
 * when it opens the replica and at a poll. FilePages runs on the worker thread.
 */
export class FilePages {
  readonly #fetcher: Fetcher
  readonly #files: FileTable
  /**
   * The cache that passes recently read files on to the local copy, or undefined without a local
   * copy.
   */
  readonly #recent: RecentFiles | undefined

  constructor(fetcher: Fetcher, files: FileTable, recent: RecentFiles | undefined) {
    this.#fetcher = fetcher
    this.#files = files
    this.#recent = recent
  }

  /**
   * Returns the maximum size in bytes of a new file that is read whole. Files above this size
   * contain too many pages that no reader needs.
   */
  wholeFiles(store: PageStore): number {
    if (this.#recent) return WHOLE_HYDRATED
    return Math.max(WHOLE_FILE_SIZE, Math.min(WHOLE_CHANGES, store.size * store.pageSize))
  }

  /**
   * Stores the first pages of the files of the first view, because SQLite reads the first pages of
   * a database first. Small files are stored completely.
   */
  storeHeads(view: ReplicaView, files: readonly FileIndex[]): void {
    for (const file of files) {
      this.#keep(file)
      for (const piece of file.pieces.slice(0, 1)) this.#storePiece(view, file, piece)
    }
  }

  /**
   * Stores all pages except the first pages that the worker read together with the page indexes of
   * `files`.
   */
  storeRest(view: ReplicaView, files: readonly FileIndex[]): void {
    for (const file of files) for (const piece of file.pieces.slice(1)) this.#storePiece(view, file, piece)
  }

  /**
   * Stores pages that the worker read together with the page indexes. These pages cost no request.
   * If the file is large, only new pages, and changed pages that were resident in the view
   * `before`, are stored. From a file with few pages, all pages are stored.
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

  /**
   * Stores the pages of one piece of a file. At a poll, `isUseful` selects the changed pages to
   * store.
   */
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
      // If more pages were stored than the cache has slots, the pages would evict each other.
      if (pages.length === view.store.slots) break
    }
    this.#fetcher.store(view, bytes, offset, pages, isUseful && 'changes')
  }

  /**
   * Prefetches resident pages that changed, before a reader misses them. `bringChanges` prefetches
   * pages that changed in files that are too large to be read whole.
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
