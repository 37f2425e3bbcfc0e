import { isLitestreamError, LitestreamError } from '../errors.js'
import { fileContent } from '../levels/file-identity.js'
import { type FilesByLevel, listTogether, selectFollowing, selectPlan, withoutFiles } from '../levels/plan.js'
import { compareFiles } from '../storage/keys.js'
import type { LtxFileInfo } from '../storage/replica-client.js'
import { throwIfAborted } from '../util/abort.js'
import type { Resolved } from '../util/check-arguments.js'
import { runAll } from '../util/run-all.js'
import { checkHistory, missingIn, newestTxid, refuseWriter } from './check-destination.js'
import { copyFile, type MirrorPair } from './copy-file.js'
import type { DamagedFile, MirrorOptions, MirrorResult } from './options.js'
import { endedFiles, newestRestorable, restorableTxid } from './retention.js'
import type { Throttle } from './throttle.js'

const PARALLELISM = 4
/**
 * Maximum number of times that a pass lists the source again because a file was deleted before it
 * was copied.
 */
const MAX_RELISTS = 5

/**
 * The damaged files of the source, by the text that `fileContent` returns for each file. If a new
 * file gets the name of a damaged file, the mirror copies the new file, because `fileContent`
 * returns another text for it.
 */
export type DamagedFiles = Map<string, DamagedFile>

/**
 * Copies the files that the destination lacks, and then deletes files according to the retention of
 * the destination. At any moment, the newest state that can be restored from the destination is at
 * least as new as before. The pass first copies the files of a restore to the newest state, one
 * after another. The pass then copies all other files, so that the destination can also be restored
 * to earlier states. Throws REPLICA_EMPTY, REPLICA_FENCED, REPLICA_RESET, LTX_GAP and errors of the
 * stores.
 */
export class MirrorPass {
  readonly #pair: MirrorPair
  readonly #options: Resolved<MirrorOptions>
  readonly #throttle: Throttle
  readonly #damaged: DamagedFiles
  #copied: LtxFileInfo[] = []
  #bytes = 0
  #total = 0

  constructor(
    pair: MirrorPair,
    options: Resolved<MirrorOptions>,
    throttle: Throttle,
    damaged: DamagedFiles = new Map(),
  ) {
    this.#pair = pair
    this.#options = options
    this.#throttle = throttle
    this.#damaged = damaged
  }

  async run(): Promise<MirrorResult> {
    for (let relists = 0; ; relists++) {
      try {
        return await this.#once()
      } catch (error) {
        // Compaction has deleted a file that the source listed before. The next listing of the
        // source contains the file that replaced it.
        if (!isLitestreamError(error, 'NOT_FOUND') || relists === MAX_RELISTS) throw error
      }
    }
  }

  async #once(): Promise<MirrorResult> {
    const { destination } = this.#pair
    const { retention, signal } = this.#options
    await refuseWriter(this.#pair, signal)
    // The pass lists the destination before it lists the source. No file of the destination is
    // therefore newer than the listing of the source.
    const before = await this.#list('destination')
    const source = await this.#list('source')
    if (newestTxid(source) === 0) throw this.#emptySource()
    await checkHistory(this.#pair, source, before, signal)
    const copies = before.map((files) => [...files])
    await this.#copyNewest(source, copies)
    await this.#copyOthers(source, copies)
    const ended = destination.writeOnce ? [] : await endedFiles(this.#pair, source, copies, retention, signal)
    if (ended.length > 0) await destination.delete(ended, signal ? { signal } : {})
    const newest = newestRestorable(copies)
    return {
      copied: this.#copied,
      deleted: ended,
      damaged: [...this.#damaged.values()],
      bytes: this.#bytes,
      txid: newest?.maxTxid ?? 0,
      sourceTxid: newestTxid(source),
      timestamp: new Date(newest?.createdAt ?? 0),
    }
  }

  async #list(side: keyof MirrorPair): Promise<LtxFileInfo[][]> {
    const { signal } = this.#options
    return listTogether(this.#pair[side], 0, signal ? { signal } : {})
  }

  /**
   * Copies the files of a restore to the newest state, in the order in which a restore applies the
   * files.
   */
  async #copyNewest(source: FilesByLevel, copies: LtxFileInfo[][]): Promise<void> {
    for (;;) {
      const sound = withoutFiles(source, new Set(this.#damaged.keys()))
      const reached = restorableTxid(copies)
      const path = reached === 0 ? selectPlan(sound) : selectFollowing(sound, reached)
      const missing = new Set(missingIn(source, copies))
      const todo = path.filter((file) => missing.has(file))
      this.#expect(todo)
      let damage = false
      for (const file of todo) {
        damage = !(await this.#copy(file, copies))
        if (damage) break
      }
      sortLevels(copies)
      if (!damage) return
    }
  }

  /**
   * Copies all other files of the source whose max TXID does not exceed the newest state of the
   * destination.
   */
  async #copyOthers(source: FilesByLevel, copies: LtxFileInfo[][]): Promise<void> {
    const reached = restorableTxid(copies)
    const sound = withoutFiles(source, new Set(this.#damaged.keys()))
    // The newest files are copied first, because most restores need them.
    const todo = missingIn(sound, copies)
      .filter(({ maxTxid }) => maxTxid <= reached)
      .sort((a, b) => b.level - a.level || b.maxTxid - a.maxTxid)
    this.#expect(todo)
    const { parallelism = PARALLELISM } = this.#options
    await runAll(
      parallelism,
      todo.map((file) => () => this.#copy(file, copies)),
    )
    sortLevels(copies)
  }

  #expect(files: readonly LtxFileInfo[]): void {
    this.#total = this.#bytes + files.reduce((sum, { size }) => sum + size, 0)
  }

  /**
   * Copies a file, and adds the file to the end of its level in `copies`. Returns false if the file
   * is damaged in the source.
   */
  async #copy(file: LtxFileInfo, copies: LtxFileInfo[][]): Promise<boolean> {
    const { signal, onProgress } = this.#options
    throwIfAborted(signal, `mirroring ${this.#pair.source.url}`)
    const onBytes = (bytes: number) => {
      this.#bytes += bytes
      onProgress?.({ copied: this.#bytes, total: Math.max(this.#total, this.#bytes) })
    }
    const copy = () => copyFile(this.#pair, file, { throttle: this.#throttle, onBytes, signal })
    try {
      // The bytes may have been damaged in transit, so the mirror reads a damaged file a second
      // time.
      await copy().catch((error: unknown) => {
        if (!isLitestreamError(error, 'LTX_CORRUPT')) throw error
        return copy()
      })
    } catch (error) {
      if (!isLitestreamError(error, 'LTX_CORRUPT')) throw error
      this.#damaged.set(fileContent(file), { file, error })
      return false
    }
    this.#copied.push(file)
    copies[file.level]!.push(file)
    return true
  }

  #emptySource(): LitestreamError {
    const { url } = this.#pair.source
    return new LitestreamError('REPLICA_EMPTY', `${url}: no backup files found, nothing is mirrored or deleted`, {
      file: url,
      hint: 'Check the URL of the source replica. If the source replica has lost its files, restore the database from the mirror, or set the URL of the mirror as the replica URL of the database.',
    })
  }
}

/** Sorts files that were added at the end of their level into the order of a listing. */
function sortLevels(levels: LtxFileInfo[][]): void {
  for (const files of levels) files.sort(compareFiles)
}
