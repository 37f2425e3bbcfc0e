import { statSync } from 'node:fs'
import { Breather } from '../../../util/breather.js'
import { monotonicMs } from '../../../util/monotonic.js'
import type { ChainState } from '../chain/chain.js'
import type { FileTable } from '../chain/file-ordinals.js'
import { PageSet } from '../chain/page-set.js'
import { type HydrationMeta, readMeta, writeMeta } from './meta-format.js'

/** Pages examined before the loop yields to other work. */
const PAGES_AT_ONCE = 4096

/**
 * The meta file of a local copy while the local copy is open. Changes are made one after another. A
 * page is removed from the meta file before it is overwritten, so a local copy is never newer than
 * its meta file.
 */
export class CopyMeta {
  readonly #path: string
  readonly #url: string
  #pageSize: number
  #meta: HydrationMeta | undefined
  /** The pages that the meta file on disk lists, or may list. */
  #claimed: PageSet
  #savedAt = Number.NEGATIVE_INFINITY
  #work: Promise<void> = Promise.resolve()
  /** Inode of the local copy; our meta file must not describe another file of the same name. */
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
    // After a crash, only the meta file shows which pages were written.
    const closed = meta?.closed
    const wasChanged = isOurs && closed !== undefined && closed !== stats?.mtimeMs
    // The local copy may have been removed or truncated, and only its meta file remained.
    const isUsable = isOurs && !wasChanged && (stats?.size ?? 0) >= meta.commit * meta.pageSize
    return new CopyMeta(path, url, pageSize, isUsable ? meta : undefined, wasChanged && stats !== undefined)
  }

  /** Whether the existing copy can be continued. */
  get usable(): boolean {
    return this.#meta !== undefined
  }

  /** TXID of the newest meta file; 0 without one. */
  get txid(): number {
    return this.#meta?.txid ?? 0
  }

  /** Milliseconds since the last save. */
  get age(): number {
    return monotonicMs() - this.#savedAt
  }

  /**
   * Called when the local copy is open and locked. If the local copy is empty, an existing meta
   * file belongs to another copy.
   */
  async opened(): Promise<void> {
    this.#inode = inodeOf(this.#path)
    if (!this.#meta) await this.#claimNothing()
    else if (this.#meta.closed !== undefined) await this.#write({ ...this.#meta, closed: undefined })
  }

  /** The local copy was replaced by an empty file. */
  replicaWasReset(pageSize: number): void {
    this.#pageSize = pageSize
    this.#meta = undefined
    this.#claimed = new PageSet()
    this.#inode = inodeOf(this.#path)
    this.#work = this.#work.catch(() => undefined).then(() => this.#claimNothing())
  }

  /**
   * Writes a meta file without pages: it only marks the file beside it as a local copy, which may
   * be replaced.
   */
  async #claimNothing(): Promise<void> {
    if (inodeOf(this.#path) !== this.#inode) return
    const [url, pageSize] = [this.#url, this.#pageSize]
    await writeMeta(this.#path, { version: 1, url, pageSize, commit: 0, txid: 0, files: [], present: '' })
  }

  /** The pages left by an earlier run that have the content of `state`. */
  async presentAt(state: ChainState, files: FileTable): Promise<PageSet> {
    const present = new PageSet()
    const meta = this.#meta
    // A stale listing may show an older state than the local copy's, whose pages have been
    // overwritten. Another history may have the same TXIDs, so at least one file known then must
    // still be in use.
    if (!meta || state.txid < meta.txid || !meta.files.some((identity) => files.hasIdentity(identity))) return present
    const breather = new Breather()
    for (const [i, pgno] of this.#claimed.toArray(Math.min(state.commit, meta.commit)).entries()) {
      if (i % PAGES_AT_ONCE === 0) await breather.rest()
      const file = state.map.fileOf(pgno)
      if (file !== 0 && files.get(file).maxTxid <= meta.txid) present.add(pgno)
    }
    return present
  }

  /** Resolves when no meta file on disk lists these pages: then they may be overwritten. */
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

  /**
   * Lists the pages that are present now, after `sync` has made them durable. `closing`: the local
   * copy is not written to any more.
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
    // The pages are collected before they are made durable, never after.
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
      // The local copy was replaced meanwhile.
      if (inode !== this.#inode) return
      // If the write fails, the previous meta file remains.
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

  /** Runs changes one after another, whether or not the previous one failed. */
  #next(change: () => Promise<void>): Promise<void> {
    this.#work = this.#work.catch(() => undefined).then(change)
    return this.#work
  }
}

function inodeOf(file: string): number | undefined {
  return statSync(file, { throwIfNoEntry: false })?.ino
}
