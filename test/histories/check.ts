// Decides whether what the processes of a history saw can have happened in a replica where a COMMIT
// that returned is in the store.
import { TOTAL } from './bank.js'
import type { Entry, Outcome, ReadEntry, Seen } from './log.js'

/** A state that was restored: by which program, and its rows in the order of `seq`. */
export interface RestoredState {
  readonly by: string
  readonly seen: Seen
  readonly ops: readonly (readonly [id: string, seq: number])[]
}

export interface RecordedHistory {
  /** The logs, one per process. */
  readonly logs: readonly (readonly Entry[])[]
  /** TXIDs of the L0 files in the store. */
  readonly txids: readonly number[]
  /** The newest state, and a sample of earlier ones. */
  readonly final: RestoredState
  readonly sample: readonly RestoredState[]
  /**
   * Commits went to a local buffer, so one TXID has several of them, and the process that committed
   * reads states that have no TXID yet.
   */
  readonly isBuffered?: boolean
}

export interface HistoryCounts {
  readonly commits: number
  readonly ok: number
  readonly refused: number
  readonly unknown: number
  /** Of `unknown`, those that are in the final state. */
  readonly unknownCommitted: number
  readonly reads: number
  readonly restored: number
}

interface Transaction {
  readonly id: string
  readonly start: number
  end: number
  outcome: Outcome
  seq: number | undefined
}

/** Violations of a history, as sentences; none if it is right. */
export function checkHistory(history: RecordedHistory): {
  readonly violations: readonly string[]
  readonly counts: HistoryCounts
} {
  const check = new HistoryCheck(history)
  return { violations: check.run(), counts: check.counts() }
}

class HistoryCheck {
  readonly #history: RecordedHistory
  readonly #violations: string[] = []
  readonly #transactions = new Map<string, Transaction>()
  readonly #reads: ReadEntry[] = []
  /** `seq` of each row of the final state. */
  readonly #committed: ReadonlyMap<string, number>

  constructor(history: RecordedHistory) {
    this.#history = history
    this.#committed = new Map(history.final.ops)
    for (const entry of history.logs.flat()) this.#take(entry)
  }

  #take(entry: Entry): void {
    if (entry.type === 'fatal') this.#wrong(`a process failed: ${entry.error}`)
    else if (entry.type === 'read') this.#reads.push(entry)
    else if (entry.type === 'invoke') {
      const { id, at } = entry
      // Without a result the process was killed.
      this.#transactions.set(id, { id, start: at, end: Number.POSITIVE_INFINITY, outcome: 'unknown', seq: undefined })
    } else {
      const { id, at, outcome, seq } = entry
      const transaction = this.#transactions.get(id)
      if (!transaction) this.#wrong(`the log has a result of ${id}, which never began`)
      else Object.assign(transaction, { end: at, outcome, seq })
    }
  }

  run(): readonly string[] {
    this.#checkFinal()
    this.#checkOutcomes()
    this.#checkOrder()
    this.#checkReads()
    for (const state of this.#history.sample) this.#checkRestored(state)
    this.#checkTxids()
    return this.#violations
  }

  counts(): HistoryCounts {
    const all = [...this.#transactions.values()]
    const unknown = all.filter(({ outcome }) => outcome === 'unknown')
    return {
      commits: this.#committed.size,
      ok: all.filter(({ outcome }) => outcome === 'ok').length,
      refused: all.filter(({ outcome }) => outcome === 'refused').length,
      unknown: unknown.length,
      unknownCommitted: unknown.filter(({ id }) => this.#committed.has(id)).length,
      reads: this.#reads.length,
      restored: this.#history.sample.length + 1,
    }
  }

  #wrong(what: string): void {
    this.#violations.push(what)
  }

  /** One winner per TXID: the L0 files are 1, 2, …; without a buffer, each one after the first added one row. */
  #checkFinal(): void {
    const { final, txids } = this.#history
    this.#checkSeen(final.seen, `the final state (${final.by})`)
    final.ops.forEach(([id, seq], i) => {
      if (seq !== i + 1) this.#wrong(`the final state has ${id} with seq ${seq} in place ${i + 1}`)
    })
    if (this.#committed.size !== final.ops.length) this.#wrong('the final state has an ID twice')
    const sorted = [...txids].sort((a, b) => a - b)
    const isWhole = sorted.length === final.seen.txid && sorted.every((txid, i) => txid === i + 1)
    if (!isWhole) this.#wrong(`the store does not have exactly one L0 file for each of ${final.seen.txid} TXIDs`)
  }

  #checkOutcomes(): void {
    for (const { id, outcome, seq } of this.#transactions.values()) {
      const found = this.#committed.get(id)
      if (outcome === 'ok' && found === undefined) this.#wrong(`${id} was acknowledged with seq ${seq}, and is lost`)
      if (outcome === 'refused' && found !== undefined)
        this.#wrong(`${id} was refused, and is committed as seq ${found}`)
      if (outcome !== 'refused' && found !== undefined && seq !== undefined && found !== seq)
        this.#wrong(`${id} wrote seq ${seq}, but the final state has seq ${found}`)
    }
    for (const id of this.#committed.keys())
      if (!this.#transactions.has(id)) this.#wrong(`the final state has ${id}, which never began`)
  }

  /** A transaction that began after another one was acknowledged comes after it. */
  #checkOrder(): void {
    const all = [...this.#transactions.values()]
    const acknowledged = all.filter(({ outcome }) => outcome === 'ok').sort((a, b) => a.end - b.end)
    let next = 0
    let before: Transaction | undefined
    for (const one of all.sort((a, b) => a.start - b.start)) {
      for (; next < acknowledged.length && acknowledged[next]!.end < one.start; next++) {
        const candidate = acknowledged[next]!
        if (!before || candidate.seq! > before.seq!) before = candidate
      }
      const seq = this.#committed.get(one.id)
      if (seq !== undefined && before && seq <= before.seq!)
        this.#wrong(`${one.id} has seq ${seq}, but began after ${before.id} with seq ${before.seq} was acknowledged`)
    }
  }

  #checkReads(): void {
    const last = new Map<string, ReadEntry>()
    for (const read of this.#reads) {
      const { connection, state } = read
      this.#checkSeen(state, `a read of ${connection}`)
      const before = last.get(connection)
      if (before && before.state.txid > state.txid)
        this.#wrong(`${connection} read TXID ${before.state.txid}, and TXID ${state.txid} later`)
      last.set(connection, read)
      const newest = this.#history.final.ops[state.counter - 1]
      const writer = newest && this.#transactions.get(newest[0])
      if (state.counter > this.#committed.size)
        this.#wrong(`${connection} read TXID ${state.txid}, which was lost later`)
      else if (writer && writer.start > read.at)
        this.#wrong(`${connection} read ${writer.id} before that transaction began`)
    }
    this.#checkOwnWrites()
  }

  /** A process sees its own acknowledged commits. Logs are in the order of the process. */
  #checkOwnWrites(): void {
    for (const log of this.#history.logs) {
      let own = 0
      for (const entry of log) {
        if (entry.type === 'result' && entry.outcome === 'ok') own = Math.max(own, entry.seq ?? 0)
        else if (entry.type === 'read' && entry.state.counter < own)
          this.#wrong(`${entry.connection} read counter ${entry.state.counter} after its own commit of seq ${own}`)
      }
    }
  }

  /** A state belongs to one TXID. */
  #checkSeen({ txid, counter, rows, last, sum }: Seen, what: string): void {
    const isOther = !this.#history.isBuffered && counter !== txid - 1
    if (isOther || rows !== counter || last !== counter)
      this.#wrong(`${what} mixes states: TXID ${txid}, counter ${counter}, ${rows} rows, greatest seq ${last}`)
    if (sum !== TOTAL) this.#wrong(`${what} has the sum ${sum}, not ${TOTAL} (TXID ${txid})`)
  }

  #checkRestored({ by, seen, ops }: RestoredState): void {
    this.#checkSeen(seen, `TXID ${seen.txid}, restored by ${by},`)
    const expected = this.#history.final.ops.slice(0, seen.counter)
    const isPrefix = ops.length === expected.length && ops.every(([id], i) => id === expected[i]![0])
    if (!isPrefix) this.#wrong(`TXID ${seen.txid}, restored by ${by}, is no prefix of the final state`)
  }

  /** A TXID is the same state for every reader and every restore. */
  #checkTxids(): void {
    const { logs, final, sample } = this.#history
    const readers = logs.filter((log) => log.every(({ type }) => type === 'read')).flat()
    const seen = readers.flatMap((entry) => (entry.type === 'read' ? [entry.state] : []))
    const counters = new Map([[final.seen.txid, final.seen.counter]])
    for (const { txid, counter } of [...sample.map((state) => state.seen), ...seen]) {
      const known = counters.get(txid)
      if (known !== undefined && known !== counter) this.#wrong(`TXID ${txid} has the counters ${known} and ${counter}`)
      counters.set(txid, counter)
    }
  }
}
