import { corrupt } from '../ltx/corrupt.js'
import { HEADER_SIZE, MAX_INDEX_ENTRY, PAGE_HEADER_SIZE, snapshotPageCount } from '../ltx/format.js'
import type { LtxHeader } from '../ltx/header.js'
import { decodeIndexBlock, type FramePosition, type IndexBlock, ordinalOf, pageAt } from '../ltx/index-block.js'
import type { PageIndex } from '../ltx/page-index.js'
import type { LtxFileInfo, RequestOptions } from '../storage/replica-client.js'
import { runAll } from '../util/run-all.js'
import { lowerBound } from '../util/sorted.js'
import { checkSize } from './file-check.js'
import type { IndexBlockCache } from './index-block-cache.js'
import type { FileReader } from './remote-index.js'

/** Size in bytes of a block of a page index. A block has the entries of about 6,000 pages. */
const BLOCK = 64 * 1024
/** Maximum number of adjacent blocks that are read with one request. */
const JOINED_BLOCKS = 16
/** If at most this many blocks can contain an entry, all of them are read. */
const FEW_BLOCKS = 4
/** Number of requests that are sent in parallel. */
const REQUESTS_AT_ONCE = 8
/** After this many estimates, the search halves the remaining blocks. */
const ESTIMATES = 4

/** The page index of a snapshot that `loadFileIndex` did not read. */
export interface UnreadIndex {
  readonly info: LtxFileInfo
  /** The name of the file in messages. */
  readonly label: string
  readonly header: LtxHeader
  /** Offset of the page index in the file. */
  readonly offset: number
  /** Size of the page index in bytes, without its length field. */
  readonly size: number
  /** The end of the page index, which was read together with the trailer. */
  readonly tail: Uint8Array
}

/**
 * The page index of a snapshot, read in blocks when entries of the blocks are needed.
 *
 * A snapshot contains every page of the database, and the entries of its page index therefore have
 * consecutive page numbers and offsets. A reader finds the first entry of a block by this property.
 * The number of bytes per entry varies, so the block of a page is estimated between the blocks that
 * were already read. If the page is not in the estimated block, the next estimate is better.
 */
export class PagedIndex {
  readonly #client: FileReader
  readonly #index: UnreadIndex
  readonly #cache: IndexBlockCache
  readonly #options: RequestOptions
  readonly #blocks: number
  readonly #blockSize: number
  readonly #pages: number
  readonly #framesEnd: number
  /**
   * Position and offset of the first entry that begins in each block, or 0 if the block was not
   * read. The last element describes the end of the page index.
   */
  readonly #first: Uint32Array
  readonly #offsets: Float64Array
  /** The numbers of the blocks whose first entries are known, in ascending order. */
  readonly #known: number[]
  readonly #running = new Map<number, Promise<IndexBlock>>()
  readonly #key: string
  static #next = 1

  /** Throws LTX_CORRUPT if the end of the page index contradicts the header. */
  constructor(
    client: FileReader,
    index: UnreadIndex,
    cache: IndexBlockCache,
    options: RequestOptions = {},
    blockSize: number = BLOCK,
  ) {
    const { header, offset, size, tail } = index
    this.#client = client
    this.#index = index
    this.#cache = cache
    this.#options = options
    this.#key = `${PagedIndex.#next++}`
    this.#blockSize = blockSize
    // The last block is up to twice as large as the other blocks, so that it has enough entries.
    this.#blocks = Math.max(1, Math.floor(size / blockSize))
    this.#pages = snapshotPageCount(header.commit, header.pageSize)
    this.#framesEnd = offset - PAGE_HEADER_SIZE
    this.#first = new Uint32Array(this.#blocks + 1)
    this.#offsets = new Float64Array(this.#blocks + 1)
    this.#first[0] = 1
    this.#offsets[0] = HEADER_SIZE
    this.#first[this.#blocks] = this.#pages + 1
    this.#offsets[this.#blocks] = this.#framesEnd
    this.#known = [0, this.#blocks]
    const tailAt = size - tail.length
    for (let block = this.#blocks - 1; block >= 0 && block * blockSize >= tailAt; block--) {
      const decoded = this.#decode(block, tail.subarray(block * blockSize - tailAt))
      if (!decoded) throw this.#damaged(block)
      this.#add(block, decoded)
    }
  }

  /** Returns the frame of a page whose block is in memory. The snapshot must have the page. */
  find(pgno: number): FramePosition | undefined {
    const ordinal = this.#ordinal(pgno)
    const block = this.#blockOf(ordinal)
    return block === undefined ? undefined : this.#cache.get(this.#name(block))?.find(ordinal)
  }

  /**
   * Returns the approximate position of the frame of a page. The estimate is based on the blocks
   * that were read before.
   */
  estimate(pgno: number): FramePosition {
    const ordinal = this.#ordinal(pgno)
    const { low, high } = this.#around(ordinal)
    const bytes = this.#offsets[high]! - this.#offsets[low]!
    const size = bytes / Math.max(1, this.#first[high]! - this.#first[low]!)
    return { offset: Math.floor(this.#offsets[low]! + size * (ordinal - this.#first[low]!)), size: Math.ceil(size) }
  }

  /** Returns the approximate number of blocks that `positions` would read for these pages. */
  unreadBlocks(pgnos: readonly number[]): number {
    const blocks = new Set<number>()
    for (const pgno of pgnos) if (!this.find(pgno)) blocks.add(this.#estimateBlock(this.#ordinal(pgno), 0))
    return blocks.size
  }

  /**
   * Returns the frames of pages in the order of `pgnos`. Reads the blocks of these pages that are not
   * in memory. The snapshot must have the pages. Throws LTX_CORRUPT, or the error of the read.
   */
  async positions(pgnos: readonly number[]): Promise<FramePosition[]> {
    const found = new Array<FramePosition>(pgnos.length)
    let open: number[] = []
    pgnos.forEach((pgno, i) => {
      const position = this.find(pgno)
      if (position) found[i] = position
      else open.push(i)
    })
    for (let attempt = 0; open.length > 0; attempt++) {
      const blocks = new Map<number, IndexBlock>()
      const wanted = new Set(open.flatMap((i) => this.#candidates(this.#ordinal(pgnos[i]!), attempt)))
      await runAll(
        REQUESTS_AT_ONCE,
        runsOf(wanted).map((run) => async () => {
          for (const [block, decoded] of await this.#load(run)) blocks.set(block, decoded)
        }),
      )
      open = open.filter((i) => {
        const ordinal = this.#ordinal(pgnos[i]!)
        const block = blocks.get(this.#blockOf(ordinal) ?? -1)
        if (block) found[i] = block.find(ordinal)
        return block === undefined
      })
    }
    return found
  }

  /** Returns the numbers of all pages in ascending order. */
  *pages(): Generator<number> {
    for (let ordinal = 1; ordinal <= this.#pages; ordinal++) yield pageAt(ordinal, this.#index.header.pageSize)
  }

  /** Returns the frames of all pages in ascending order, in parts. Throws the errors of `positions`. */
  async *frames(): AsyncGenerator<PageIndex> {
    for (let block = 0; block < this.#blocks; block += JOINED_BLOCKS) {
      const length = Math.min(JOINED_BLOCKS, this.#blocks - block)
      const loaded = await this.#load(Array.from({ length }, (_, i) => block + i))
      const count = loaded.reduce((sum, [, decoded]) => sum + decoded.count, 0)
      const [first, { pageSize }] = [loaded[0]![1].first, this.#index.header]
      const pgnos = Uint32Array.from({ length: count }, (_, i) => pageAt(first + i, pageSize))
      const [offsets, sizes] = [new Float64Array(count), new Uint32Array(count)]
      let at = 0
      for (const [, decoded] of loaded) {
        decoded.copyTo(offsets, sizes, at)
        at += decoded.count
      }
      yield { count, pgnos, offsets, sizes }
    }
  }

  #ordinal(pgno: number): number {
    return ordinalOf(pgno, this.#index.header.pageSize)
  }

  #name(block: number): string {
    return `${this.#key}/${block}`
  }

  /** Returns the nearest known block boundaries before and after an entry. */
  #around(ordinal: number): { readonly low: number; readonly high: number } {
    const known = this.#known
    let [low, high] = [0, known.length - 1]
    while (high - low > 1) {
      const middle = (low + high) >>> 1
      if (this.#first[known[middle]!]! <= ordinal) low = middle
      else high = middle
    }
    return { low: known[low]!, high: known[high]! }
  }

  /** Returns the block of an entry, or undefined if several blocks can have it. */
  #blockOf(ordinal: number): number | undefined {
    const { low, high } = this.#around(ordinal)
    return high - low === 1 ? low : undefined
  }

  /** Returns the blocks to read next in the search for an entry. */
  #candidates(ordinal: number, attempt: number): number[] {
    const { low, high } = this.#around(ordinal)
    if (high - low <= FEW_BLOCKS) return Array.from({ length: high - low }, (_, i) => low + i)
    return [this.#estimateBlock(ordinal, attempt)]
  }

  #estimateBlock(ordinal: number, attempt: number): number {
    const { low, high } = this.#around(ordinal)
    if (attempt >= ESTIMATES) return Math.floor((low + high) / 2)
    const [count, wanted] = [this.#first[high]! - this.#first[low]!, ordinal - this.#first[low]!]
    const bytes = (high === this.#blocks ? this.#index.size : high * this.#blockSize) - low * this.#blockSize
    // Page numbers have known sizes, and offsets grow evenly. The rest of an entry is its size.
    const slope = (this.#offsets[high]! - this.#offsets[low]!) / count
    const known = (n: number) => numberBytes(this.#first[low]!, 1, n) + numberBytes(this.#offsets[low]!, slope, n)
    const rest = (bytes - known(count)) / count
    const at = low * this.#blockSize + known(wanted) + rest * wanted
    return Math.min(high - 1, Math.max(low, Math.floor(at / this.#blockSize)))
  }

  /** Returns adjacent blocks. Blocks that another call is reading are not read again. */
  async #load(run: readonly number[]): Promise<[number, IndexBlock][]> {
    const missing = run.filter((block) => !this.#cache.has(this.#name(block)) && !this.#running.has(block))
    for (const part of runsOf(new Set(missing))) {
      const read = this.#read(part, false).catch((error: unknown) => this.#again(part, error))
      for (const block of part) {
        const own = read.then((blocks) => blocks.get(block) as IndexBlock)
        own.catch(() => undefined).finally(() => this.#running.delete(block))
        this.#running.set(block, own)
      }
    }
    return Promise.all(
      run.map(async (block): Promise<[number, IndexBlock]> => {
        const decoded = this.#cache.get(this.#name(block)) ?? (await this.#running.get(block))
        return [block, decoded as IndexBlock]
      }),
    )
  }

  /** Reads blocks once more without caches if the first response was damaged. */
  #again(run: readonly number[], error: unknown): Promise<Map<number, IndexBlock>> {
    if (!(error instanceof DamagedBlock)) throw error
    return this.#read(run, true).catch((second: unknown) => {
      throw second instanceof DamagedBlock ? this.#damaged(second.block) : second
    })
  }

  async #read(run: readonly number[], fresh: boolean): Promise<Map<number, IndexBlock>> {
    const { info, label, offset, size } = this.#index
    const [start, last] = [run[0]! * this.#blockSize, run[run.length - 1]!]
    const end = last === this.#blocks - 1 ? size : Math.min(size, (last + 1) * this.#blockSize + MAX_INDEX_ENTRY)
    const range = { offset: offset + start, length: end - start }
    const { data, fileSize } = await this.#client.read(info, range, { ...this.#options, fresh })
    checkSize(info, fileSize, label)
    const blocks = new Map<number, IndexBlock>()
    for (const block of run) {
      const decoded = this.#decode(block, data.subarray(block * this.#blockSize - start))
      if (!decoded) throw new DamagedBlock(block)
      this.#add(block, decoded)
      blocks.set(block, decoded)
    }
    return blocks
  }

  /** Returns undefined if the block contradicts itself or the blocks that were read before. */
  #decode(block: number, bytes: Uint8Array): IndexBlock | undefined {
    const { header, size } = this.#index
    const isLast = block === this.#blocks - 1
    const length = isLast ? size - block * this.#blockSize : this.#blockSize
    const rest = bytes.subarray(0, isLast ? length : length + MAX_INDEX_ENTRY)
    const { commit, pageSize } = header
    const decoded = decodeIndexBlock(rest, length, { commit, pageSize, framesEnd: this.#framesEnd })
    if (!decoded || decoded.isLast !== isLast) return undefined
    const { first, count, offset, end } = decoded
    const agrees = (at: number, ordinal: number, place: number) => {
      if (this.#first[at] !== 0) return this.#first[at] === ordinal && this.#offsets[at] === place
      const { low, high } = this.#around(ordinal)
      return low < at && at < high && place > this.#offsets[low]! && place < this.#offsets[high]!
    }
    return agrees(block, first, offset) && agrees(block + 1, first + count, end) ? decoded : undefined
  }

  #add(block: number, decoded: IndexBlock): void {
    this.#learn(block, decoded.first, decoded.offset)
    this.#learn(block + 1, decoded.first + decoded.count, decoded.end)
    this.#cache.set(this.#name(block), decoded)
  }

  #learn(block: number, first: number, offset: number): void {
    if (this.#first[block] !== 0) return
    this.#first[block] = first
    this.#offsets[block] = offset
    this.#known.splice(lowerBound(this.#known, block), 0, block)
  }

  #damaged(block: number): Error {
    const { label, offset, size } = this.#index
    const end = block === this.#blocks - 1 ? size : (block + 1) * this.#blockSize
    const what = `the page index has no consecutive entries in the ${end - block * this.#blockSize} bytes of a block`
    return corrupt(what, label, offset + block * this.#blockSize)
  }
}

/** The error for a block of a page index that cannot be decoded. */
class DamagedBlock extends Error {
  constructor(readonly block: number) {
    super('damaged block')
  }
}

/** Divides block numbers into runs of adjacent numbers. */
function runsOf(blocks: ReadonlySet<number>): number[][] {
  const runs: number[][] = []
  for (const block of [...blocks].sort((a, b) => a - b)) {
    const last = runs.at(-1)
    if (last && last.at(-1) === block - 1 && last.length < JOINED_BLOCKS) last.push(block)
    else runs.push([block])
  }
  return runs
}

/**
 * Returns the total size in bytes of `count` uvarints, of which the first has the value `from` and
 * each next value is larger by `slope`.
 */
function numberBytes(from: number, slope: number, count: number): number {
  let bytes = count
  for (let limit = 0x80; limit <= Number.MAX_SAFE_INTEGER; limit *= 0x80) {
    const below = slope > 0 ? Math.ceil((limit - from) / slope) : from < limit ? count : 0
    const above = count - Math.max(0, below)
    if (above <= 0) break
    bytes += above
  }
  return bytes
}
