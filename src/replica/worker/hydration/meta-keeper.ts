import { statSync } from 'node:fs'
import { Breather } from '../../../util/breather.js'
import { monotonicMs } from '../../../util/monotonic.js'
import type { ChainState } from '../chain/chain.js'
import type { FileTable } from '../chain/file-ordinals.js'
import { PageSet } from '../pages/page-set.js'
import { type HydrationMeta, readMeta, writeMeta } from './meta-format.js'

/** Pages that are looked at before other work may come between. */
const PAGES_AT_ONCE = 4096

/**
 * The meta file of a local copy while the copy is open. Its changes are made one after another; a page that it claims is given up
 * in it before that page is overwritten, so that a copy is never ahead of its meta file.
 */
export class CopyMeta {
  readonly #path: string
  readonly #url: string
  #pageSize: number
  #meta: HydrationMeta | undefined
  /** The pages that the meta file on disk has, or may have. */
  #claimed: PageSet
  #savedAt = Number.NEGATIVE_INFINITY
  #work: Promise<void> = Promise.resolve()
  /** Of the copy; another one under its name is not what a meta file of ours may speak of. */
  #inode: number | undefined

  /** Another program has changed the copy after it was closed. */
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

  /** What an earlier run left for this replica. */
  static async read(path: string, url: string, pageSize: number): Promise<CopyMeta> {
    const meta = await readMeta(path)
    const stats = statSync(path, { throwIfNoEntry: false })
    const isOurs = meta !== undefined && meta.url === url && meta.pageSize === pageSize
    // After a crash nothing is known of the last writes but what the meta file claims.
    const closed = meta?.closed
    const wasChanged = isOurs && closed !== undefined && closed !== stats?.mtimeMs
    // The copy may have been removed, or cut, and its meta file left behind.
    const isUsable = isOurs && !wasChanged && (stats?.size ?? 0) >= meta.commit * meta.pageSize
    return new CopyMeta(path, url, pageSize, isUsable ? meta : undefined, wasChanged && stats !== undefined)
  }

  /** Whether the copy can be gone on with. */
  get usable(): boolean {
    return this.#meta !== undefined
  }

  /** TXID of the newest meta file; 0 without one. */
  get txid(): number {
    return this.#meta?.txid ?? 0
  }

  /** Milliseconds since it was last saved. */
  get age(): number {
    return monotonicMs() - this.#savedAt
  }

  /** The copy is open and locked. If it is an empty one, a meta file that still exists is of another copy. */
  async opened(): Promise<void> {
    this.#inode = inodeOf(this.#path)
    if (!this.#meta) await this.#claimNothing()
    else if (this.#meta.closed !== undefined) await this.#write({ ...this.#meta, closed: undefined })
  }

  /** The copy was replaced by an empty one. */
  begunAnew(pageSize: number): void {
    this.#pageSize = pageSize
    this.#meta = undefined
    this.#claimed = new PageSet()
    this.#inode = inodeOf(this.#path)
    this.#work = this.#work.catch(() => undefined).then(() => this.#claimNothing())
  }

  /** A meta file without pages: it says that the file beside it is a local copy, which may be replaced. */
  async #claimNothing(): Promise<void> {
    if (inodeOf(this.#path) !== this.#inode) return
    const [url, pageSize] = [this.#url, this.#pageSize]
    await writeMeta(this.#path, { version: 1, url, pageSize, commit: 0, txid: 0, files: [], present: '' })
  }

  /** The pages that an earlier run left and that are what `state` wants. */
  async presentAt(state: ChainState, files: FileTable): Promise<PageSet> {
    const present = new PageSet()
    const meta = this.#meta
    // An older state than the copy's may be what a listing that lags behind shows: its pages have been overwritten. And another
    // history may have the same TXIDs: a file that was known then must still be in use.
    if (!meta || state.txid < meta.txid || !meta.files.some((identity) => files.hasIdentity(identity))) return present
    const breather = new Breather()
    for (const [i, pgno] of this.#claimed.toArray(Math.min(state.commit, meta.commit)).entries()) {
      if (i % PAGES_AT_ONCE === 0) await breather.rest()
      const file = state.map.fileOf(pgno)
      if (file !== 0 && files.get(file).maxTxid <= meta.txid) present.add(pgno)
    }
    return present
  }

  /** Returns once no meta file on disk claims these pages: then they may be overwritten. */
  giveUp(pages: readonly Uint32Array[]): Promise<void> {
    return this.#next(async () => {
      const meta = this.#meta
      if (!meta || !pages.some((pgnos) => pgnos.some((pgno) => this.#claimed.has(pgno)))) return
      const claimed = PageSet.decode(this.#claimed.encode(meta.commit))
      for (const pgnos of pages) for (const pgno of pgnos) claimed.delete(pgno)
      await this.#write({ ...meta, present: claimed.encode(meta.commit) })
      this.#claimed = claimed
    })
  }

  /** Claims the pages that are present now, once `sync` has made them durable. `closing`: nothing is written to the copy any more. */
  save(
    state: ChainState,
    files: FileTable,
    present: PageSet,
    sync: () => Promise<void>,
    closing: boolean,
  ): Promise<void> {
    this.#savedAt = monotonicMs()
    const { pageSize, commit, txid } = state
    // What is present is noted before the pages are made durable, never after.
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
      // The copy was begun anew meanwhile.
      if (inode !== this.#inode) return
      // Should the writing fail, what stood there stands.
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

  /** One change after another, whatever became of the one before. */
  #next(change: () => Promise<void>): Promise<void> {
    this.#work = this.#work.catch(() => undefined).then(change)
    return this.#work
  }
}

function inodeOf(file: string): number | undefined {
  return statSync(file, { throwIfNoEntry: false })?.ino
}
