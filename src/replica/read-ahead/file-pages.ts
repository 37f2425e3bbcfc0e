import { type FileIndex, WHOLE_FILE_SIZE } from '../chain/file-index.js'
import type { FileTable } from '../chain/file-table.js'
import type { RecentFiles } from '../hydration/recent-files.js'
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

  /**
   * What came with the indexes costs nothing more: it goes into slots before anyone asks. Of what changed since the view `before`, it
   * is the pages that were in memory, and new ones; of a file of few pages, all.
   */
  store(view: ReplicaView, files: readonly FileIndex[], before?: ReplicaView): void {
    for (const { info, pieces, frames } of files) {
      const file = this.#files.ordinal(info)
      if (pieces[0].bytes.length === info.size) this.#recent?.keep(info, pieces[0].bytes)
      const few = frames.length <= view.store.slots / FEW_CHANGES
      const isUseful = (pgno: number) =>
        !before || few || this.#recent || pgno > before.state.commit || isResident(before, pgno)
      for (const { offset, bytes } of pieces) {
        const end = offset + bytes.length
        const pages = frames
          .filter((frame) => frame.offset >= offset && frame.offset + frame.size <= end)
          .filter(({ pgno }) => view.state.map.fileOf(pgno) === file && isUseful(pgno))
          .map((frame) => ({ file, ...frame }))
        this.#fetcher.store(view, bytes, offset, pages, before && 'changes')
      }
    }
  }

  /** Pages in memory that changed in files too large to be read whole: on their way before a reader can miss them. */
  bringChanges(before: ReplicaView, view: ReplicaView, changed: Uint32Array): void {
    if (this.#recent) return
    const pages = [...changed].filter((pgno) => isResident(before, pgno) && !isResident(view, pgno))
    if (pages.length <= view.store.slots / 4) void this.#fetcher.bring(view, pages, 'changes')
  }
}
