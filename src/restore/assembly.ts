import PQueue from 'p-queue'
import { isLitestreamError } from '../errors.js'
import { decodeListed } from '../levels/decode-listed.js'
import { fileContent } from '../levels/file-identity.js'
import { assignPages, type PageOwners } from '../levels/page-owners.js'
import type { PlanTarget } from '../levels/plan.js'
import { checkPlan } from '../levels/plan-check.js'
import { type FileLayout, readLayout } from '../levels/remote-layout.js'
import { corrupt } from '../ltx/corrupt.js'
import type { PageBatch } from '../ltx/decoder.js'
import { FLAG_NO_CHECKSUM } from '../ltx/format.js'
import type { PageIndex } from '../ltx/page-index.js'
import type { LtxFileInfo, ReplicaClient } from '../storage/replica-client.js'
import { throwIfAborted } from '../util/abort.js'
import { runAll } from '../util/run-all.js'
import { compareDatabaseChecksum } from './database-checksum.js'
import { PageFile } from './page-file.js'
import { readAhead, segmentsOf } from './segments.js'

/**
 * Files up to this size are applied in parallel; larger ones one after another, each with parallel
 * reads. Bytes.
 */
const SMALL_FILE_SIZE = 1024 * 1024

/**
 * Small files are read together with their indexes; at most this many bytes of them are kept until
 * their pages are written, the others are read again.
 */
const KEEP_BYTES = 32 * 1024 * 1024

/** The source of a page while it is being written, or if it was written from a damaged file. */
const UNCERTAIN = 0xffffffff

export interface AssemblyProgress {
  /** Bytes of the database written so far, and in total. */
  readonly written: number
  /** Number of pages of the database. */
  readonly total: number
  /** Bytes read from the replica so far. */
  readonly fetched: number
}

export interface AssemblyOptions {
  readonly parallelism: number
  readonly signal: AbortSignal
  readonly onProgress?: (progress: AssemblyProgress) => void
}

/**
 * Writes the database that a plan describes into a file, each page once. Reads and checks every
 * file of the plan completely, including files of which no page is needed, because only the frames
 * show that an index omits a page. If a plan fails, may be called again with another plan for the
 * same output: pages already written from the same file of the replica are kept. Memory: some
 * segments of 2 MiB, and about 30 bytes per page for indexes.
 */
export class Assembly {
  readonly #client: ReplicaClient
  readonly #path: string
  readonly #options: AssemblyOptions
  readonly #queue: PQueue
  readonly #buffers: Uint8Array[] = []
  /** Numbers for the files of all plans, beginning with 1. */
  readonly #fileIds = new Map<string, number>()
  /** Ids of the files that were read completely and are undamaged. */
  readonly #verified = new Set<number>()
  /**
   * Indexed by page number: the id of the file from which the page in the output was written; 0 for
   * zeros.
   */
  #source = new Uint32Array(1)
  #written = 0
  #fetched = 0

  constructor(client: ReplicaClient, path: string, options: AssemblyOptions) {
    this.#client = client
    this.#path = path
    this.#options = options
    this.#queue = new PQueue({ concurrency: options.parallelism })
  }

  /**
   * Throws errors of the client (NOT_FOUND: plan again), LTX_CORRUPT, PAGE_SIZE_MISMATCH. Returns
   * the newest file's layout.
   */
  async run(plan: readonly LtxFileInfo[], target: PlanTarget = {}): Promise<FileLayout> {
    const layouts = checkPlan(await this.#layouts(plan), target)
    const newest = layouts.at(-1)!
    const owners = assignPages(layouts)
    const output = await PageFile.open(this.#path, owners.pageSize)
    try {
      await this.#prepare(output, owners, layouts)
      const apply = (layout: FileLayout, place: number) => () => this.#apply(output, owners, layout, place)
      const isSmall = ({ size }: FileLayout) => size <= SMALL_FILE_SIZE
      await runAll(
        this.#options.parallelism,
        layouts.flatMap((layout, place) => (isSmall(layout) ? [apply(layout, place)] : [])),
      )
      // Newest first: retention or compaction deletes these files first.
      const large = layouts.flatMap((layout, place) => (isSmall(layout) ? [] : [apply(layout, place)]))
      for (const each of large.reverse()) await each()
      await output.sync()
    } finally {
      await output.close()
    }
    if ((newest.header.flags & FLAG_NO_CHECKSUM) === 0) await compareDatabaseChecksum(this.#path, newest)
    return newest
  }

  async #layouts(plan: readonly LtxFileInfo[]): Promise<FileLayout[]> {
    const { signal, parallelism } = this.#options
    let kept = 0
    const tasks = plan.map((file) => async (): Promise<FileLayout> => {
      throwIfAborted(signal, 'reading page indexes')
      const layout = await this.#twice(() => readLayout(this.#client, file, { signal }))
      const { bytes, ...rest } = layout
      if (!bytes) return rest
      this.#fetched += bytes.length
      kept += bytes.length
      return kept <= KEEP_BYTES ? layout : rest
    })
    return runAll(parallelism, tasks)
  }

  /** The damage may have happened in transit: a damaged file is read again once. */
  async #twice<T>(act: () => Promise<T>): Promise<T> {
    try {
      return await act()
    } catch (error) {
      if (!isLitestreamError(error, 'LTX_CORRUPT')) throw error
      return act()
    }
  }

  #fileId(file: LtxFileInfo): number {
    const key = fileContent(file)
    const id = this.#fileIds.get(key) ?? this.#fileIds.size + 1
    this.#fileIds.set(key, id)
    return id
  }

  /**
   * Resizes the output, keeps pages from earlier plans that are still right, and clears pages that
   * must be zeros.
   */
  async #prepare(output: PageFile, owners: PageOwners, layouts: readonly FileLayout[]): Promise<void> {
    const { commit, owner, pageSize } = owners
    await output.resize(commit)
    const source = new Uint32Array(commit + 1)
    source.set(this.#source.subarray(0, commit + 1))
    this.#source = source
    this.#written = 0
    const ids = layouts.map((layout) => this.#fileId(layout.file))
    const zeros = new Uint8Array(pageSize)
    for (let pgno = 1; pgno <= commit; pgno++) {
      if (source[pgno] === 0) continue
      if (owner[pgno] === 0) {
        await output.write({ pgnos: Uint32Array.of(pgno), pages: zeros, count: 1 })
        source[pgno] = 0
      } else if (source[pgno] === ids[owner[pgno]! - 1]) {
        this.#written++
      }
    }
    this.#report(owners)
  }

  #report({ commit, pageSize }: PageOwners): void {
    this.#options.onProgress?.({ written: this.#written * pageSize, total: commit * pageSize, fetched: this.#fetched })
  }

  async #apply(output: PageFile, owners: PageOwners, layout: FileLayout, place: number): Promise<void> {
    const id = this.#fileId(layout.file)
    const { owner } = owners
    const source = this.#source
    const { pgnos } = layout.index
    const isMissing = (pgno: number) => owner[pgno] === place + 1 && source[pgno] !== id
    const missing = pgnos.filter(isMissing)
    if (missing.length === 0 && this.#verified.has(id)) return
    // These pages are about to be overwritten: if this file turns out to be damaged, their content
    // is unknown.
    for (const pgno of missing) source[pgno] = UNCERTAIN
    let { bytes } = layout
    await this.#twice(async () => {
      await this.#write(output, owners, layout, bytes, isMissing)
      bytes = undefined
    })
    this.#verified.add(id)
    // Set only now: pages of a file count as written when its checksum was verified at the end.
    for (const pgno of missing) source[pgno] = id
  }

  /** Writes the wanted pages of a file, and reads the file completely. */
  async #write(
    output: PageFile,
    owners: PageOwners,
    layout: FileLayout,
    bytes: Uint8Array | undefined,
    wanted: (pgno: number) => boolean,
  ): Promise<void> {
    const { file, label, index } = layout
    const stream = bytes ? once(bytes) : readAhead(this.#client, file, segmentsOf(file.size), this.#segmentOptions())
    const ltx = await decodeListed(stream, file, label, { buffers: 2 })
    let written = 0
    const take = async (batch: PageBatch) => {
      throwIfAborted(this.#options.signal, 'restoring')
      const n = await output.write(batch, wanted)
      written += n
      this.#written += n
      this.#report(owners)
    }
    try {
      // One batch is being written while the next is decoded.
      let writing = Promise.resolve()
      try {
        for await (const batch of ltx.batches) {
          await writing
          writing = take(batch)
          writing.catch(() => {})
        }
      } finally {
        await writing
      }
      // The plan used an index that was read earlier, which may have been damaged in transit.
      if (!samePages(index, ltx.trailer!.index)) throw corrupt('its page index has changed since it was read', label, 0)
    } catch (error) {
      this.#written -= written
      throw error
    }
  }

  #segmentOptions() {
    const onFetched = (bytes: number) => {
      this.#fetched += bytes
    }
    return { queue: this.#queue, signal: this.#options.signal, buffers: this.#buffers, onFetched }
  }
}

function samePages(a: PageIndex, b: PageIndex): boolean {
  return a.count === b.count && a.pgnos.every((pgno, i) => pgno === b.pgnos[i])
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  yield bytes
}
