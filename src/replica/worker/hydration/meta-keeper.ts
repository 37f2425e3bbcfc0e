import { statSync } from 'node:fs'
import { Breather } from '../../../util/breather.js'
import { monotonicMs } from '../../../util/monotonic.js'
import type { ChainState } from '../chain/chain.js'
import type { FileTable } from '../chain/file-ordinals.js'
import type { PageRuns } from '../chain/page-runs.js'
import { PageSet } from '../chain/page-set.js'
import { type HydrationMeta, readMeta, writeMeta } from './meta-format.js'

/**
 * The meta file of a local copy while the local copy is open. Changes of the meta file run one
 * after another. Before a page is overwritten in the local copy, the page is removed from the meta
 * file. The meta file therefore never lists a page whose content in the local copy is newer.
 */
export class CopyMeta {
  readonly #path: string
  readonly #url: string
  #pageSize: number
  #meta: HydrationMeta | undefined
  /** The pages that the meta file on disk may list. */
  #claimed: PageSet
  #savedAt = Number.NEGATIVE_INFINITY
  #work: Promise<void> = Promise.resolve()
  /**
   * Inode of the local copy. The inode is checked, because the meta file must not describe another
   * file with the name of the local copy.
   */
  #inode: number | undefined

  /** Whether another program has changed the local copy after it was closed. */
  readonly wasChanged: boolean

  private constructor(
    path: string,
    url: string,
    pageSize: number,
    meta: HydrationMeta | undefined,
    wasChanged: boolean,
  ) {
    this.wasChanged = wasChanged
    this.#path = path
    this.#url = url
    this.#pageSize = pageSize
    this.#meta = meta
    this.#claimed = meta ? PageSet.decode(meta.present) : new PageSet()
  }

  /** Reads the meta file that an earlier run left for this replica. */
  static async read(path: string, url: string, pageSize: number): Promise<CopyMeta> {
    const meta = await readMeta(path)
    const stats = statSync(path, { throwIfNoEntry: false })
    const isOurs = meta !== undefined && meta.url === url && meta.pageSize === pageSize
    // After a crash, only the meta file shows which pages the local copy contains.
    const closed = meta?.closed
    const wasChanged = isOurs && closed !== undefined && closed !== stats?.mtimeMs
    // Another program may have removed or truncated the local copy and left its meta file.
    const isUsable = isOurs && !wasChanged && (stats?.size ?? 0) >= meta.commit * meta.pageSize
    return new CopyMeta(path, url, pageSize, isUsable ? meta : undefined, wasChanged && stats !== undefined)
  }

  /** Whether the pages of the existing local copy can be used. */
  get usable(): boolean {
    return this.#meta !== undefined
  }

  /** TXID of the newest meta file. The TXID is 0 if no meta file exists. */
  get txid(): number {
    return this.#meta?.txid ?? 0
  }

  /** Milliseconds since the meta file was last saved. */
  get age(): number {
    return monotonicMs() - this.#savedAt
  }

  /**
   * Must be called when the local copy is open and locked. If the local copy is empty, an existing
   * meta file belongs to an earlier local copy.
   */
  async opened(): Promise<void> {
    this.#inode = inodeOf(this.#path)
    if (!this.#meta) await this.#claimNothing()
    else if (this.#meta.closed !== undefined) await this.#write({ ...this.#meta, closed: undefined })
  }

  /** Must be called after the local copy was replaced by an empty file. */
  replicaWasReset(pageSize: number): void {
    this.#pageSize = pageSize
    this.#meta = undefined
    this.#claimed = new PageSet()
    this.#inode = inodeOf(this.#path)
    this.#work = this.#work.catch(() => undefined).then(() => this.#claimNothing())
  }

  /**
   * Writes a meta file without pages. A meta file without pages only marks the file beside it as a
   * local copy. This package may replace a local copy.
   */
  async #claimNothing(): Promise<void> {
    if (inodeOf(this.#path) !== this.#inode) return
    const [url, pageSize] = [this.#url, this.#pageSize]
    await writeMeta(this.#path, { version: 1, url, pageSize, commit: 0, txid: 0, files: [], present: '' })
  }

  /**
   * Returns the pages that an earlier run left in the local copy. The pages must have the content
   * of `state`.
   */
  async presentAt(state: ChainState, files: FileTable): Promise<PageSet> {
    const present = new PageSet()
    const meta = this.#meta
    // A stale listing may show an older state than the state of the local copy, so that some pages
    // of the local copy are newer than the listed state. Another replica may have the same TXIDs,
    // so at least one LTX file that the meta file names must still be in use.
    if (!meta || state.txid < meta.txid || !meta.files.some((identity) => files.hasIdentity(identity))) return present
    const breather = new Breather()
    for (const part of this.#claimed.parts(Math.min(state.commit, meta.commit))) {
      await breather.rest()
      for (const pgno of part) {
        const file = state.map.fileOf(pgno)
        if (file !== 0 && files.get(file).maxTxid <= meta.txid) present.add(pgno)
      }
    }
    return present
  }

  #claims(pgnos: PageRuns): boolean {
    for (const pgno of pgnos) if (this.#claimed.has(pgno)) return true
    return false
  }

  /**
   * Removes pages from the meta file. After the promise resolves, the caller may overwrite these
   * pages in the local copy.
   */
  giveUp(pages: readonly PageRuns[]): Promise<void> {
    return this.#next(async () => {
      const meta = this.#meta
      if (!meta || !pages.some((pgnos) => this.#claims(pgnos))) return
      const claimed = PageSet.decode(this.#claimed.encode(meta.commit))
      for (const pgnos of pages) for (const pgno of pgnos) claimed.delete(pgno)
      await this.#write({ ...meta, present: claimed.encode(meta.commit) })
      this.#claimed = claimed
    })
  }

  /**
   * Saves in the meta file which pages are present. Calls `sync` first to make these pages durable.
   * With `closing`, the caller writes no more pages to the local copy.
   */
  save(
    state: ChainState,
    files: FileTable,
    present: PageSet,
    sync: () => Promise<void>,
    closing: boolean,
  ): Promise<void> {
    this.#savedAt = monotonicMs()
    const { pageSize, commit, txid } = state
    // The set of pages is copied before `sync` makes the pages durable, so every page in the meta
    // file is durable.
    const encoded = present.encode(commit)
    const meta: HydrationMeta = {
      version: 1,
      url: this.#url,
      pageSize,
      commit,
      txid,
      files: files.identities(),
      present: encoded,
    }
    const inode = this.#inode
    return this.#next(async () => {
      await sync()
      // The meta file is not saved if another file has replaced the local copy.
      if (inode !== this.#inode) return
      // If the write of the meta file fails, the previous meta file remains on disk.
      this.#claimed.addAll(PageSet.decode(encoded))
      const closed = closing ? statSync(this.#path, { throwIfNoEntry: false })?.mtimeMs : undefined
      await this.#write({ ...meta, closed })
      this.#claimed = PageSet.decode(encoded)
    })
  }

  async #write(meta: HydrationMeta): Promise<void> {
    if (inodeOf(this.#path) !== this.#inode) return
    await writeMeta(this.#path, meta)
    this.#meta = meta
  }

  /**
   * Runs changes of the meta file one after another. A change runs even if the previous change
   * failed.
   */
  #next(change: () => Promise<void>): Promise<void> {
    this.#work = this.#work.catch(() => undefined).then(change)
    return this.#work
  }
}

function inodeOf(file: string): number | undefined {
  return statSync(file, { throwIfNoEntry: false })?.ino
}
