import { type FileIndex, type FilePiece, WHOLE_FILE_SIZE } from '../../../levels/remote-index.js'
import type { FileTable } from '../chain/file-ordinals.js'
import type { RecentFiles } from '../hydration/recent-files.js'
import type { WantedPage } from '../pages/fetch-plan.js'
import type { Fetcher } from '../pages/fetcher.js'
import type { PageStore } from '../pages/page-store.js'
import { isResident } from '../pages/resident.js'
import type { ReplicaView } from '../pages/view-set.js'

/** New files up to this size are read whole, as far as that much is in memory; and where there is a local copy. Bytes. */
const WHOLE_CHANGES = 1024 * 1024
const WHOLE_HYDRATED = 8 * 1024 * 1024
/** A file that changed so small a part of the cache goes into it whole. */
const FEW_CHANGES = 256

/** Pages that come along with the indexes of files, at an opening and at a poll. Worker thread. */
export class FilePages {
  readonly #fetcher: Fetcher
  readonly #files: FileTable
  /** Where there is a local copy: it takes what was read from here. */
  readonly #recent: RecentFiles | undefined

  constructor(fetcher: Fetcher, files: FileTable, recent: RecentFiles | undefined) {
    this.#fetcher = fetcher
    this.#files = files
    this.#recent = recent
  }

  /** How large a new file may be that is read whole, in bytes: more than could be of use is read of none. */
  wholeFiles(store: PageStore): number {
    if (this.#recent) return WHOLE_HYDRATED
    return Math.max(WHOLE_FILE_SIZE, Math.min(WHOLE_CHANGES, store.size * store.pageSize))
  }

  /** The beginnings of the files that a first view is made of: what SQLite reads first, and small files whole. */
  storeHeads(view: ReplicaView, files: readonly FileIndex[]): void {
    for (const file of files) {
      this.#keep(file)
      for (const piece of file.pieces.slice(0, 1)) this.#storePiece(view, file, piece)
    }
  }

  /** What else came along with the indexes of these files. */
  storeRest(view: ReplicaView, files: readonly FileIndex[]): void {
    for (const file of files) for (const piece of file.pieces.slice(1)) this.#storePiece(view, file, piece)
  }

  /**
   * What came with the indexes costs nothing more: it goes into slots before anyone asks. Of what changed since the view `before`, it
   * is the pages that were in memory, and new ones; of a file of few pages, all.
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

  /** `isUseful`: which of the changes, at a poll. */
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
      // More would only take each other's slots.
      if (pages.length === view.store.slots) break
    }
    this.#fetcher.store(view, bytes, offset, pages, isUseful && 'changes')
  }

  /** Pages in memory that changed in files too large to be read whole: on their way before a reader can miss them. */
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
