import { createHash } from 'node:crypto'
import path from 'node:path'
import { LRUCache } from 'lru-cache'
import { LitestreamError } from '../../errors.js'
import { makeDirectory } from '../../fs/directory.js'
import { isErrno } from '../../fs/fs-error.js'
import { abortError } from '../../util/abort.js'
import { orAborted } from '../../util/or-aborted.js'
import { timeoutSignal } from '../../util/timers.js'
import { type WaitOptions, withDeadline } from '../../util/wait.js'
import { ForwardingClient } from '../forwarding-client.js'
import { relativeName } from '../keys.js'
import { isListed } from '../object-identity.js'
import { resolveRange } from '../range.js'
import type { ByteRange, LtxFileInfo, LtxFileRef, ReadOptions, ReadResult, ReplicaClient } from '../replica-client.js'
import { makeRoom } from './eviction.js'
import { BLOCK_SIZE, SEGMENT_BLOCKS, Segment } from './segment.js'

const OPEN_SEGMENTS = 64
/** After each CHECK_EVERY bytes of writes, the cache checks its size limit. */
const CHECK_EVERY = 16 * 1024 * 1024

/** How long close() waits for the disk, in milliseconds. */
const CLOSE_WAIT = 2_000

export interface DiskCacheOptions {
  readonly directory: string
  /** Maximum size in bytes of all caches in the directory together. */
  readonly limit: number
}

export interface DiskCacheCounts {
  /** Number of blocks read from the disk cache (`hits`) and from the store (`misses`). */
  hits: number
  misses: number
  /**
   * Number of blocks that the cache could not read or write, for example because the disk was full
   * or the directory was not writable.
   */
  failures: number
}

/**
 * A replica client that keeps the results of ranged reads in a disk cache between runs. LTX files
 * are immutable, so a cached block never becomes outdated. The cache identifies a file by name,
 * size, modification time and version. After a reset, a new file with the name of an old file
 * therefore counts as a different file. Several processes may share one cache directory.
 */
export class CachedReplicaClient extends ForwardingClient {
  readonly counts: DiskCacheCounts = { hits: 0, misses: 0, failures: 0 }
  readonly #options: DiskCacheOptions
  readonly #segments: LRUCache<string, Promise<Segment>>
  readonly #closing = new Set<Promise<void>>()
  readonly #writes = new Set<Promise<void>>()
  readonly #ending = new AbortController()
  #unchecked = 0

  private constructor(inner: ReplicaClient, options: DiskCacheOptions) {
    super(inner)
    this.#options = options
    this.#segments = new LRUCache({
      max: OPEN_SEGMENTS,
      dispose: (segment) => this.#track(this.#closing, closeWhenIdle(segment, [...this.#writes])),
    })
  }

  static async open(inner: ReplicaClient, options: DiskCacheOptions): Promise<CachedReplicaClient> {
    await makeFolder(options.directory)
    await makeRoom(options.directory, options.limit)
    return new CachedReplicaClient(inner, options)
  }

  override async read(file: LtxFileRef, range: ByteRange, options: ReadOptions = {}): Promise<ReadResult> {
    if (!isListed(file)) return this.inner.read(file, range, options)
    const fileSize = file.size
    const { offset, length } = resolveRange(range, fileSize, relativeName(file))
    const first = Math.floor(offset / BLOCK_SIZE)
    const last = Math.max(first, Math.ceil((offset + length) / BLOCK_SIZE) - 1)
    const start = first * BLOCK_SIZE
    const data = new Uint8Array(Math.min((last + 1) * BLOCK_SIZE, fileSize) - start)
    const block = (i: number) => data.subarray((i - first) * BLOCK_SIZE, (i - first + 1) * BLOCK_SIZE)

    const blocks = Array.from({ length: last - first + 1 }, (_, i) => first + i)
    const looking = Promise.all(blocks.map((i) => !options.fresh && this.#readBlock(file, i, block(i))))
    const present = await this.#unlessEnded(looking, `reading ${relativeName(file)}`, options.signal)
    const absent = runs(blocks.filter((_, i) => !present[i]))
    this.counts.hits += present.filter(Boolean).length
    await Promise.all(
      absent.map(async ([from, to]) => {
        this.counts.misses += to - from + 1
        const at = from * BLOCK_SIZE
        const wanted = Math.min((to + 1) * BLOCK_SIZE, fileSize) - at
        // Each parallel request reads into memory of its own. If the requests shared the caller's
        // memory `into`, they would overwrite each other's bytes.
        const got = await this.inner.read(file, { offset: at, length: wanted }, { ...options, into: undefined })
        data.set(got.data, at - start)
        for (let i = from; i <= to; i++) this.#keep(file, i, block(i))
      }),
    )
    return { data: data.subarray(offset - start, offset - start + length), offset, fileSize }
  }

  /**
   * Closes the client. close() waits at most CLOSE_WAIT milliseconds for a disk that does not
   * respond. When the disk responds again, the pending writes finish and the cache closes their
   * files.
   */
  override close(waiting: WaitOptions = {}): Promise<void> {
    return withDeadline(`closing ${this.url}`, waiting, () => this.#close(), { abandon: true })
  }

  async #close(): Promise<void> {
    this.#ending.abort(new LitestreamError('ABORTED', `the client of ${this.url} was closed`))
    const patience = timeoutSignal(CLOSE_WAIT)
    try {
      await orAborted(this.#closeSegments(), patience)
    } catch (error) {
      if (!patience.aborted) throw error
      this.counts.failures++
    }
    await this.inner.close()
  }

  /**
   * Waits for `work` until a signal aborts. A disk call cannot be cancelled. After an abort, `work`
   * therefore continues in the background and must use memory of its own.
   */
  #unlessEnded<T>(work: Promise<T>, what: string, signal: AbortSignal | undefined): Promise<T> {
    return orAborted(work, [signal, this.#ending.signal], (each) =>
      each === signal ? abortError(each, what) : each.reason,
    )
  }

  async #closeSegments(): Promise<void> {
    await Promise.all(this.#writes)
    this.#segments.clear()
    await Promise.all(this.#closing)
  }

  async #readBlock(file: LtxFileInfo, block: number, target: Uint8Array): Promise<boolean> {
    try {
      const segment = await this.#segment(file, block)
      return segment.has(block % SEGMENT_BLOCKS) && (await segment.read(block % SEGMENT_BLOCKS, target))
    } catch {
      // An unreadable cached block counts as missing, because the client can read the block from
      // the store.
      this.counts.failures++
      return false
    }
  }

  /** Writes a block to the disk cache in the background, so that no read waits for the disk. */
  #keep(file: LtxFileInfo, block: number, bytes: Uint8Array): void {
    // A read that ends after close() must not open a segment again.
    if (this.#ending.signal.aborted) return
    const work = (async () => {
      try {
        const segment = await this.#segment(file, block)
        await segment.write(block % SEGMENT_BLOCKS, bytes)
        this.#unchecked += bytes.length
        if (this.#unchecked < CHECK_EVERY) return
        this.#unchecked = 0
        await segment.touch()
        await makeRoom(this.#options.directory, this.#options.limit)
        await this.#letGoOfRemoved()
      } catch {
        this.counts.failures++
      }
    })()
    this.#track(this.#writes, work)
  }

  #segment(file: LtxFileInfo, block: number): Promise<Segment> {
    const number = Math.floor(block / SEGMENT_BLOCKS)
    const name = `${this.#hash(file)}-${number}`
    let segment = this.#segments.get(name)
    if (!segment) {
      segment = openSegment(this.#options.directory, name)
      // If a segment cannot be opened, the next read of a block tries to open the segment again.
      segment.catch(() => this.#segments.delete(name))
      this.#segments.set(name, segment)
    }
    return segment
  }

  /**
   * Closes each segment whose files another program or an eviction has removed. An open descriptor
   * of a removed file would keep the file's disk space, and no other process could find new blocks
   * in the file.
   */
  async #letGoOfRemoved(): Promise<void> {
    for (const [name, opening] of [...this.#segments]) {
      const segment = await opening.catch(() => undefined)
      if (!(await segment?.isRemoved())) continue
      if (this.#segments.peek(name) === opening) this.#segments.delete(name)
    }
  }

  #hash(file: LtxFileInfo): string {
    const identity = `${this.url}\n${relativeName(file)}\n${file.size}\n${file.createdAt}\n${file.version ?? ''}`
    return createHash('sha256').update(identity).digest('hex').slice(0, 32)
  }

  #track(set: Set<Promise<void>>, work: Promise<void>): void {
    set.add(work)
    void work.finally(() => set.delete(work))
  }
}

/**
 * Creates the cache directory. Only the owner of the cache directory can read the directory,
 * because the directory contains pages of the database.
 */
async function makeFolder(directory: string): Promise<void> {
  await makeDirectory(directory, undefined, 0o700)
}

/** Opens a segment. Creates the cache directory again if another program has removed it. */
async function openSegment(directory: string, name: string): Promise<Segment> {
  const file = path.join(directory, name)
  const segment = await Segment.open(file).catch(async (error) => {
    if (!isErrno(error, 'ENOENT')) throw error
    await makeFolder(directory)
    return Segment.open(file)
  })
  await segment.touch()
  return segment
}

async function closeWhenIdle(segment: Promise<Segment>, writes: readonly Promise<void>[]): Promise<void> {
  await Promise.all(writes)
  try {
    await (await segment).close()
  } catch {
    // The segment was never opened, or its disk has failed, so there is no file to close.
  }
}

/** Groups ascending numbers into ranges of consecutive numbers, each as [first, last]. */
function runs(numbers: readonly number[]): [number, number][] {
  const result: [number, number][] = []
  for (const n of numbers) {
    const last = result.at(-1)
    if (last && last[1] === n - 1) last[1] = n
    else result.push([n, n])
  }
  return result
}
