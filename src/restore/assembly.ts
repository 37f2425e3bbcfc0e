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
import { isSummedBySegments } from './frame-segments.js'
import { LargeFile, SegmentBuffers } from './large-file.js'
import { PageFile } from './page-file.js'
import { readAhead, segmentsOf } from './segments.js'

/**
 * Small LTX files are read together with their page indexes. Of LTX files that are already in
 * memory, at most KEEP_BYTES bytes are kept until their pages are written. LTX files beyond
 * KEEP_BYTES are read again.
 */
const KEEP_BYTES = 32 * 1024 * 1024

/**
 * Number of segments that are processed at a time if the replica is in a local folder.
 * LOCAL_PARALLELISM is small, because reads from a local folder have no latency and each segment
 * needs memory.
 */
const LOCAL_PARALLELISM = 4

/**
 * Marks a page of the output as having unknown content. The content of a page is unknown while the
 * page is being written, and if the page was written from a damaged LTX file.
 */
const UNCERTAIN = 0xffffffff

export interface AssemblyProgress {
  /** Number of bytes of the database that are written to the output. */
  readonly written: number
  /** Size of the database in bytes. */
  readonly total: number
  /** Number of bytes that were read from the replica. */
  readonly fetched: number
}

export interface AssemblyOptions {
  readonly parallelism: number
  readonly signal: AbortSignal
  /**
   * Whether the caller reads the database again immediately, so that the written pages must stay in
   * the page cache of the operating system.
   */
  readonly readAfter?: boolean
  readonly onProgress?: (progress: AssemblyProgress) => void
}

/** An LTX file and its position in the plan. */
interface Planned {
  readonly layout: FileLayout
  readonly place: number
}

/** An LTX file whose pages are being written to the output. */
interface Unfinished {
  isMissing(pgno: number): boolean
  /**
   * Called after every page of the LTX file was written and the checksum of the LTX file was
   * verified.
   */
  end(): void
}

/**
 * Writes the database that a plan describes to an output file. Each page is written once. Every LTX
 * file of the plan is read and checked completely, even if the plan needs no page of the file. This
 * complete reading detects a page index that omits a page, because only the frames show the
 * omission. If `run` fails for a plan, `run` may be called again with another plan for the same
 * output. Pages that an earlier call of `run` wrote from the same LTX file are kept. An Assembly
 * needs memory for several segments of 2 MiB each, and about 30 bytes per page for page indexes.
 */
export class Assembly {
  readonly #client: ReplicaClient
  readonly #path: string
  readonly #options: AssemblyOptions
  readonly #queue: PQueue
  readonly #buffers: Uint8Array[] = []
  readonly #free: SegmentBuffers[] = []
  /** The numbers of the LTX files of all plans. The numbers begin with 1. */
  readonly #fileIds = new Map<string, number>()
  /** Numbers of the LTX files that were read completely and are undamaged. */
  readonly #verified = new Set<number>()
  /**
   * For each page in the output, the number of the LTX file from which the page was written. The
   * index is the page number. The number 0 in `#source` means that the page consists of zeros.
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
   * Writes the database of a plan to the output. Returns the layout of the newest LTX file. Throws
   * errors of the client, LTX_CORRUPT, PAGE_SIZE_MISMATCH. If `run` throws NOT_FOUND, the caller
   * must make a new plan.
   */
  async run(plan: readonly LtxFileInfo[], target: PlanTarget = {}): Promise<FileLayout> {
    const layouts = checkPlan(await this.#layouts(plan), target)
    const newest = layouts.at(-1)!
    const owners = assignPages(layouts)
    const isSummed = (newest.header.flags & FLAG_NO_CHECKSUM) === 0
    const uncached = !isSummed && !this.#options.readAfter
    const output = await PageFile.open(this.#path, owners.pageSize)
    try {
      await this.#prepare(output, owners, layouts)
      const planned = layouts.map((layout, place) => ({ layout, place }))
      const apply = ({ layout, place }: Planned) => this.#apply(output, owners, layout, place)
      const inMemory = planned.filter(({ layout }) => layout.bytes !== undefined)
      await runAll(
        this.#options.parallelism,
        inMemory.map((each) => () => apply(each)),
      )
      // The newest LTX files are applied first, because retention and compaction delete the newest
      // L0 files first.
      const others = planned.filter(({ layout }) => layout.bytes === undefined).reverse()
      const bySegments = others.filter(({ layout }) => isSummedBySegments(layout))
      await this.#applySegments(output, owners, bySegments, { uncached })
      for (const each of others) if (!isSummedBySegments(each.layout)) await apply(each)
      await output.sync()
    } finally {
      await output.close()
    }
    if (isSummed) await compareDatabaseChecksum(this.#path, newest)
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

  /**
   * If the first call of `act` finds a damaged LTX file, calls `act` once more. The second call
   * helps if the data was only damaged during the transfer.
   */
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
   * Resizes the output. Keeps pages of earlier plans that are still correct, and clears pages that
   * must consist of zeros.
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

  /**
   * Determines which pages of this LTX file are missing in the output. Returns undefined if no page
   * is missing and the LTX file has already been verified.
   */
  #begin({ owner }: PageOwners, layout: FileLayout, place: number): Unfinished | undefined {
    const id = this.#fileId(layout.file)
    const source = this.#source
    const { pgnos } = layout.index
    const isMissing = (pgno: number) => owner[pgno] === place + 1 && source[pgno] !== id
    // The missing pages are going to be overwritten. If the LTX file turns out to be damaged, the
    // content of the pages that it has overwritten is unknown.
    let count = 0
    for (const pgno of pgnos) {
      if (!isMissing(pgno)) continue
      source[pgno] = UNCERTAIN
      count++
    }
    if (count === 0 && this.#verified.has(id)) return undefined
    const end = () => {
      this.#verified.add(id)
      // The source of a page is recorded only after the checksum of the whole LTX file was
      // verified.
      for (const pgno of pgnos) if (isMissing(pgno)) source[pgno] = id
    }
    return { isMissing, end }
  }

  async #apply(output: PageFile, owners: PageOwners, layout: FileLayout, place: number): Promise<void> {
    const unfinished = this.#begin(owners, layout, place)
    if (!unfinished) return
    let { bytes } = layout
    await this.#twice(async () => {
      await this.#write(output, owners, layout, bytes, unfinished.isMissing)
      bytes = undefined
    })
    unfinished.end()
  }

  /** Applies LTX files in the given order. Several segments are processed at a time. */
  async #applySegments(
    output: PageFile,
    owners: PageOwners,
    planned: readonly Planned[],
    options: { readonly uncached: boolean },
  ): Promise<void> {
    const tasks = planned.flatMap(({ layout, place }) => {
      const file = new LargeFile(layout, options)
      let unfinished: Unfinished | undefined
      const act = async (i: number) => {
        if (i === 0) unfinished = this.#begin(owners, layout, place)
        if (!unfinished) return
        if (i < file.segments.length) await this.#writeSegment(output, owners, file, i, unfinished.isMissing)
        if (!file.isRead) return
        if (!file.isSound) {
          // The data may have been damaged during the transfer. The restore therefore reads the LTX
          // file again. If the LTX file in the store is damaged too, the second read throws an
          // error with the position of the damage.
          this.#written -= file.written
          await this.#write(output, owners, layout, undefined, unfinished.isMissing)
        }
        unfinished.end()
      }
      return Array.from({ length: Math.max(1, file.segments.length) }, (_, i) => () => act(i))
    })
    const { parallelism } = this.#options
    await runAll(this.#client.type === 'file' ? Math.min(LOCAL_PARALLELISM, parallelism) : parallelism, tasks)
  }

  async #writeSegment(
    output: PageFile,
    owners: PageOwners,
    file: LargeFile,
    i: number,
    isMissing: (pgno: number) => boolean,
  ): Promise<void> {
    const { signal } = this.#options
    throwIfAborted(signal, 'restoring')
    const buffers = this.#free.pop() ?? new SegmentBuffers(owners.pageSize)
    try {
      const { offset, length } = file.segments[i]!
      const into = buffers.frames
      const { data } = await this.#client.read(file.layout.file, { offset, length }, { signal, into })
      this.#fetched += length
      const before = file.written
      await file.write(i, output, data, buffers, isMissing)
      this.#written += file.written - before
      this.#report(owners)
    } finally {
      this.#free.push(buffers)
    }
  }

  /** Writes the pages of an LTX file that `wanted` selects. Reads the LTX file completely. */
  async #write(
    output: PageFile,
    owners: PageOwners,
    layout: FileLayout,
    bytes: Uint8Array | undefined,
    wanted: (pgno: number) => boolean,
  ): Promise<void> {
    const { file, label, index } = layout
    const stream = bytes ? once(bytes) : readAhead(this.#client, file, segmentsOf(file.size), this.#segmentOptions())
    const ltx = await decodeListed(stream, file, label, { buffers: 2, pageCount: index.count })
    let written = 0
    const take = async (batch: PageBatch) => {
      throwIfAborted(this.#options.signal, 'restoring')
      const n = await output.write(batch, wanted)
      written += n
      this.#written += n
      this.#report(owners)
    }
    try {
      // While the next batch is decoded, the previous batch of pages is written.
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
      // The plan uses a page index that was read earlier, and that may have been damaged during the
      // transfer.
      if (!samePages(index, ltx.trailer!.index))
        throw corrupt('the page index of the file differs from the page index that the plan used', label, 0)
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
