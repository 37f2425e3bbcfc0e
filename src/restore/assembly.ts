import PQueue from 'p-queue'
import { isLitestreamError } from '../errors.js'
import { fileLabel } from '../levels/file-label.js'
import { assignPages, type PageOwners } from '../levels/page-owners.js'
import { checkPlan } from '../levels/plan-check.js'
import { type FileLayout, readLayout } from '../levels/remote-layout.js'
import { verifyFile } from '../levels/verify-replica.js'
import { corrupt } from '../ltx/corrupt.js'
import { decodeLtx, type PageBatch } from '../ltx/decoder.js'
import { native } from '../native/addon.js'
import { DECODE_MORE } from '../native/ltx-codec.js'
import type { LtxFileInfo, LtxFileRef, ReplicaClient } from '../storage/replica-client.js'
import { throwIfAborted } from '../util/abort.js'
import { runAll } from '../util/run-all.js'
import { PageFile } from './page-file.js'
import { readAhead, SEGMENT_SIZE, segmentsOf } from './segments.js'

/**
 * Reading all of a file lets its checksum be verified; reading only the frames wanted saves traffic. All of it is read when at
 * least this share of its frame bytes is wanted, which is so for snapshots and for whatever is newest, or when it is small
 * anyway. A frame read alone is still checked against the index and by LZ4, and the finished database by SQLite's quick_check;
 * what goes unnoticed is a flipped literal inside a page of a mostly superseded file.
 */
const WHOLE_FILE_SHARE = 0.25
const WHOLE_FILE_SIZE = 8 * 1024 * 1024

/** Frames that lie this close together are read in one piece, and what is between them with them. Bytes. */
const RANGE_GAP = 64 * 1024

/** Bytes of pages that are decoded in one go. */
const BATCH_SIZE = 1024 * 1024

/** Files up to this size are applied side by side, larger ones one after another, each by parallel reads. Bytes. */
const SMALL_FILE_SIZE = 1024 * 1024

/** Small files come along with their indexes; so many bytes of them are kept until their pages are written, the others read again. */
const KEEP_BYTES = 32 * 1024 * 1024

export interface AssemblyProgress {
  /** Bytes of the database written so far, and in all. */
  readonly written: number
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
 * Puts the database that a plan describes together in a file, page by page, each written once. May be called again with another
 * plan for the same file when one could not be carried through: pages that are there already, from the same file of the
 * replica, stay. Memory: some segments of 2 MiB, and some 30 bytes a page for indexes.
 */
export class Assembly {
  readonly #client: ReplicaClient
  readonly #path: string
  readonly #options: AssemblyOptions
  readonly #queue: PQueue
  readonly #buffers: Uint8Array[] = []
  /** Numbers for the files of all plans, from 1 on. */
  readonly #fileIds = new Map<string, number>()
  /** Ids of the files of which all was read, with a checksum that matched. */
  readonly #verified = new Set<number>()
  /** By page number: the id of the file that its content in the output is from; 0 for zeros. */
  #source = new Uint32Array(1)
  #written = 0
  #fetched = 0

  constructor(client: ReplicaClient, path: string, options: AssemblyOptions) {
    this.#client = client
    this.#path = path
    this.#options = options
    this.#queue = new PQueue({ concurrency: options.parallelism })
  }

  /** Throws what the client throws (NOT_FOUND: plan anew), LTX_CORRUPT, PAGE_SIZE_MISMATCH. Returns the newest file's layout. */
  async run(plan: readonly LtxFileInfo[]): Promise<FileLayout> {
    const layouts = checkPlan(await this.#layouts(plan))
    const owners = assignPages(layouts)
    const output = await PageFile.open(this.#path, owners.pageSize)
    try {
      await this.#prepare(output, owners, layouts)
      // The newest files are the first that retention or compaction takes away.
      const todo = layouts.map((layout, place) => ({ layout, place })).filter(({ place }) => owners.counts[place]! > 0)
      const small = todo.filter(({ layout }) => layout.size <= SMALL_FILE_SIZE)
      const { parallelism } = this.#options
      const tasks = small.map((file) => () => this.#apply(output, owners, file.layout, file.place))
      await runAll(parallelism, tasks)
      for (const { layout, place } of todo.reverse()) {
        if (layout.size > SMALL_FILE_SIZE) await this.#apply(output, owners, layout, place)
      }
      await output.sync()
    } finally {
      await output.close()
    }
    return layouts.at(-1)!
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

  /** Damage may have happened on the way here: what looks damaged is read once more. */
  async #twice<T>(act: () => Promise<T>): Promise<T> {
    try {
      return await act()
    } catch (error) {
      if (!isLitestreamError(error, 'LTX_CORRUPT')) throw error
      return act()
    }
  }

  #fileId({ level, minTxid, maxTxid }: LtxFileRef): number {
    const key = `${level}/${minTxid}-${maxTxid}`
    const id = this.#fileIds.get(key) ?? this.#fileIds.size + 1
    this.#fileIds.set(key, id)
    return id
  }

  /** Sizes the output, keeps what earlier plans wrote and is still right, and clears what must be zeros now. */
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
    const wanted = (pgno: number) => owners.owner[pgno] === place + 1 && this.#source[pgno] !== id
    const frames = wantedFrames(layout, wanted)
    if (frames.length === 0) return
    const share = frames.reduce((sum, i) => sum + layout.index.sizes[i]!, 0) / layout.size
    const whole = layout.size <= WHOLE_FILE_SIZE || share >= WHOLE_FILE_SHARE
    let written = 0
    const take = async (batch: PageBatch) => {
      throwIfAborted(this.#options.signal, 'restoring')
      const n = await output.write(batch, wanted)
      written += n
      this.#written += n
      this.#report(owners)
    }
    let { bytes } = layout
    await this.#twice(async () => {
      this.#written -= written
      written = 0
      const batches = whole ? this.#wholeFile(layout, bytes) : this.#frames(layout, frames)
      bytes = undefined
      // One batch is being written while the next is decoded.
      let writing = Promise.resolve()
      try {
        for await (const batch of batches) {
          await writing
          writing = take(batch)
          writing.catch(() => {})
        }
      } finally {
        await writing
      }
    })
    if (whole) this.#verified.add(id)
    // Only now: until its checksum was verified at the end, nothing from the file counts as written.
    for (const i of frames) this.#source[layout.index.pgnos[i]!] = id
  }

  /**
   * Reads the files of the plan that were not read whole, and verifies their checksums. Throws LTX_CORRUPT. Returns the labels of files
   * that were deleted meanwhile.
   */
  async verifyRest(plan: readonly LtxFileInfo[]): Promise<string[]> {
    const { signal, parallelism } = this.#options
    const deleted: string[] = []
    const rest = plan.filter((file) => !this.#verified.has(this.#fileId(file)))
    const verify = (file: LtxFileInfo) => async () => {
      try {
        await this.#twice(() => verifyFile(this.#client, file, signal))
      } catch (error) {
        if (!isLitestreamError(error, 'NOT_FOUND')) throw error
        deleted.push(fileLabel(this.#client, file))
      }
    }
    await runAll(parallelism, rest.map(verify))
    return deleted
  }

  #segmentOptions() {
    const onFetched = (bytes: number) => {
      this.#fetched += bytes
    }
    return { queue: this.#queue, signal: this.#options.signal, buffers: this.#buffers, onFetched }
  }

  async *#wholeFile(layout: FileLayout, bytes: Uint8Array | undefined): AsyncGenerator<PageBatch, void, undefined> {
    const source = bytes
      ? once(bytes)
      : readAhead(this.#client, layout.file, segmentsOf(layout.size), this.#segmentOptions())
    const ltx = await decodeLtx(source, layout.label, { buffers: 2 })
    yield* ltx.batches
  }

  async *#frames(layout: FileLayout, frames: readonly number[]): AsyncGenerator<PageBatch, void, undefined> {
    const ranges = coalesce(layout, frames)
    const bytes = ranges.map(([first, last]) => rangeOf(layout, first, last))
    let next = 0
    for await (const data of readAhead(this.#client, layout.file, bytes, this.#segmentOptions())) {
      const [first, last] = ranges[next++]!
      yield* decodeRange(layout, first, last, data)
    }
  }
}

/** Which entries of a file's index are wanted. */
function wantedFrames({ index }: FileLayout, wanted: (pgno: number) => boolean): number[] {
  const frames: number[] = []
  for (let i = 0; i < index.count; i++) if (wanted(index.pgnos[i]!)) frames.push(i)
  return frames
}

/** Joins frames to ranges of neighbouring index entries [first, last]. */
function coalesce({ index }: FileLayout, frames: readonly number[]): [number, number][] {
  const end = (i: number) => index.offsets[i]! + index.sizes[i]!
  const ranges: [number, number][] = []
  for (const i of frames) {
    const range = ranges.at(-1)
    const near = range && index.offsets[i]! - end(range[1]) <= RANGE_GAP
    if (near && end(i) - index.offsets[range[0]]! <= SEGMENT_SIZE) range[1] = i
    else ranges.push([i, i])
  }
  return ranges
}

function rangeOf({ index }: FileLayout, first: number, last: number): [number, number] {
  const offset = index.offsets[first]!
  return [offset, index.offsets[last]! + index.sizes[last]! - offset]
}

/** Decodes the frames [first, last] of an index from their bytes, a batch at a time. */
function* decodeRange(layout: FileLayout, first: number, last: number, data: Uint8Array): Generator<PageBatch> {
  const { index, header, label } = layout
  const { pageSize } = header
  const capacity = Math.min(last - first + 1, Math.max(1, BATCH_SIZE / pageSize))
  const sizes = new Uint32Array(capacity)
  const result = new Float64Array(2)
  let at = 0
  for (let frame = first; frame <= last; ) {
    const room = Math.min(capacity, last - frame + 1)
    const pgnos = new Uint32Array(room)
    const pages = new Uint8Array(room * pageSize)
    const status = native.decodeFrames(
      new BigUint64Array(2), pageSize, data.subarray(at), pgnos, sizes, pages, false, result,
    ) // biome-ignore format: one call
    const count = result[0]!
    for (let i = 0; i < count; i++) {
      if (pgnos[i] !== index.pgnos[frame + i] || sizes[i] !== index.sizes[frame + i]) {
        throw corrupt(
          'the page index does not match the page block',
          label,
          index.offsets[frame + i]!,
          index.pgnos[frame + i]!,
        )
      }
    }
    if (status !== DECODE_MORE || count < room) {
      const bad = frame + count
      throw corrupt('bad page frame', label, index.offsets[bad] ?? 0, index.pgnos[bad])
    }
    yield { count, pgnos, pages }
    frame += count
    at += result[1]!
  }
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  yield bytes
}
