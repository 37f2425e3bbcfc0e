// What a process of a history writes down: one JSON object per line, appended with one write each,
// so that a SIGKILL loses at most the line being written.
import { appendFileSync, existsSync, readFileSync } from 'node:fs'

/**
 * Outcome of a transaction. `unknown`: COMMIT could not say; also the outcome of a transaction whose
 * process was killed. `refused`: certainly not committed.
 */
export type Outcome = 'ok' | 'refused' | 'unknown'

/** Times are those of the monotonic clock of the machine, in microseconds. */
export type Entry =
  | { readonly type: 'invoke'; readonly id: string; readonly at: number }
  | {
      readonly type: 'result'
      readonly id: string
      readonly at: number
      readonly outcome: Outcome
      /** Value of the counter that the transaction wrote; undefined if it did not get that far. */
      readonly seq?: number | undefined
      readonly code?: string | undefined
    }
  | ReadEntry
  | { readonly type: 'fatal'; readonly error: string }

export interface ReadEntry {
  readonly type: 'read'
  /** The connection; its states never go back. */
  readonly connection: string
  /** When the read began and ended. */
  readonly from: number
  readonly at: number
  readonly state: Seen
}

/** A state of the database, as one transaction sees it. */
export interface Seen {
  readonly txid: number
  /** The counter, the number of rows of `ops`, and the greatest `seq` in it. */
  readonly counter: number
  readonly rows: number
  readonly last: number
  /** Sum of all accounts. */
  readonly sum: number
}

export const now = (): number => Number(process.hrtime.bigint() / 1000n)

export function appendEntry(file: string, entry: Entry): void {
  appendFileSync(file, `${JSON.stringify(entry)}\n`)
}

/** The entries of a log; a last line without its end was cut by a SIGKILL and is left out. */
export function readEntries(file: string): Entry[] {
  if (!existsSync(file)) return []
  const lines = readFileSync(file, 'utf8').split('\n').slice(0, -1)
  return lines.map((line) => JSON.parse(line) as Entry)
}
