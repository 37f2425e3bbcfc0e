import type { ReplicaView } from './view-set.js'

/** Bytes of the first window of a sequential run, and of the largest. */
const FIRST_WINDOW = 16 * 1024
const LAST_WINDOW = 8 * 1024 * 1024
/** A miss this many pages behind the expected one still belongs to the run: pages in between were resident. */
const SLACK = 8

interface Run {
  /** The page number that the run expects next. */
  next: number
  /** Up to where pages were asked for, exclusive. */
  fetched: number
  window: number
}

/** What a connection will want next, guessed from what it missed: a doubling window while it goes forward, nothing after a jump. */
export class Prefetcher {
  readonly #runs = new Map<number, Run[]>()

  /** The pages to fetch with this miss. */
  onMiss(reader: number, view: ReplicaView, pgno: number): number[] {
    const { pageSize, commit } = view.state
    let runs = this.#runs.get(reader)
    if (!runs) {
      runs = []
      this.#runs.set(reader, runs)
    }
    const at = runs.findIndex((run) => pgno >= run.next && pgno <= Math.max(run.next + SLACK, run.fetched + SLACK))
    if (at < 0) {
      // One run a b-tree: a join goes forward in several at once.
      runs.unshift({ next: pgno + 1, fetched: pgno + 1, window: 0 })
      runs.length = Math.min(runs.length, 8)
      return []
    }
    const [run] = runs.splice(at, 1)
    runs.unshift(run)
    run.window = Math.min(LAST_WINDOW, Math.max(FIRST_WINDOW, run.window * 2))
    const from = Math.max(pgno + 1, run.fetched)
    const to = Math.min(commit + 1, pgno + 1 + Math.ceil(run.window / pageSize))
    run.next = pgno + 1
    const ahead: number[] = []
    for (let p = from; p < to; p++) ahead.push(p)
    run.fetched = Math.max(run.fetched, to)
    return ahead
  }

  forget(reader: number): void {
    this.#runs.delete(reader)
  }
}
