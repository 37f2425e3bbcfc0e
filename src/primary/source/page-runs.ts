import { lockPgno } from '../../ltx/format.js'
import { lowerBound } from '../../util/sorted.js'
import type { NewestPages } from '../../wal/frame-scanner.js'
import type { WalFile } from '../../wal/wal-file.js'

/**
 * The pages of the database as one transaction sees them. Some pages of the database are in the
 * WAL, and all other pages are in the database file.
 */
export interface DatabaseState {
  readonly pageSize: number
  /** Size of the database in pages. */
  readonly commit: number
  readonly inWal: NewestPages
  readonly wal: WalFile | undefined
  /**
   * Fills `out` with the pages of the database file from page `pgno` on. Changes in the WAL are not
   * applied.
   */
  readPages(pgno: number, out: Uint8Array): void
}

export interface PageRun {
  readonly pgnos: Uint32Array
  /**
   * The concatenated pages of this run. The pages are valid until the consumer has requested
   * RUN_BUFFERS more runs.
   */
  readonly pages: Uint8Array
}

const RUN_BYTES = 1024 * 1024

/**
 * Number of runs whose pages are valid at the same time. While the next run is read, other threads
 * can encode the previous runs.
 */
export const RUN_BUFFERS = 3

/** The buffers of successive runs of pages. Each buffer is allocated once and reused. */
class RunBuffers {
  readonly #size: number
  readonly #buffers: Uint8Array[] = []
  #next = 0

  constructor(size: number) {
    this.#size = size
  }

  next(): Uint8Array {
    const i = this.#next++ % RUN_BUFFERS
    this.#buffers[i] ??= new Uint8Array(this.#size)
    return this.#buffers[i]
  }
}

/** Yields all pages of `state` except the lock page, in ascending order. */
export function* allPages(state: DatabaseState): Generator<PageRun, void, undefined> {
  const { pageSize, commit } = state
  const lock = lockPgno(pageSize)
  const perRun = Math.max(1, Math.min(Math.floor(RUN_BYTES / pageSize), commit))
  const buffers = new RunBuffers(perRun * pageSize)
  let walNext = 0
  for (let first = 1; first <= commit; ) {
    if (first === lock) {
      first++
      continue
    }
    const beyond = Math.min(first + perRun, commit + 1, first < lock ? lock : commit + 1)
    const pages = buffers.next().subarray(0, (beyond - first) * pageSize)
    const until = lowerBound(state.inWal.pgnos, beyond, walNext)
    if (until - walNext < beyond - first) state.readPages(first, pages)
    overlay(state, walNext, until, first, pages)
    walNext = until
    yield { pgnos: Uint32Array.from({ length: beyond - first }, (_, i) => first + i), pages }
    first = beyond
  }
}

function overlay(
  { inWal, wal, pageSize }: DatabaseState,
  from: number,
  to: number,
  first: number,
  out: Uint8Array,
): void {
  if (from === to) return
  const pages = new Uint8Array((to - from) * pageSize)
  wal!.readPages(inWal.frames.subarray(from, to), pageSize, pages)
  for (let i = from; i < to; i++) {
    const at = (i - from) * pageSize
    out.set(pages.subarray(at, at + pageSize), (inWal.pgnos[i]! - first) * pageSize)
  }
}

/** Yields only the pages that are in the WAL, in ascending order. */
export function* pagesInWal(inWal: NewestPages, wal: WalFile, pageSize: number): Generator<PageRun, void, undefined> {
  const perRun = Math.max(1, Math.floor(RUN_BYTES / pageSize))
  const buffers = new RunBuffers(Math.min(perRun, inWal.pgnos.length) * pageSize)
  for (let from = 0; from < inWal.pgnos.length; from += perRun) {
    const frames = inWal.frames.subarray(from, from + perRun)
    const pages = buffers.next().subarray(0, frames.length * pageSize)
    wal.readPages(frames, pageSize, pages)
    yield { pgnos: inWal.pgnos.subarray(from, from + perRun), pages }
  }
}
