import { ReplicaReader } from './driver-reader.js'
import type { Query } from './queries.js'
import type { Reader } from './reader.js'
import type { Stage, Traffic } from './stage.js'

/**
 * The cost of the first query of a newly opened reader, without the opening and its background
 * prefetch.
 */
export interface FirstExecution {
  readonly ms: number
  readonly traffic: Traffic
  /** Of the last execution. */
  readonly rows: readonly (readonly unknown[])[]
}

/** Opens the reader, runs the query with each of the parameters, and closes the reader. */
export async function firstExecution(
  stage: Stage,
  reader: Reader,
  query: Query,
  keys: readonly (readonly number[])[],
): Promise<FirstExecution> {
  try {
    await reader.open()
    if (reader instanceof ReplicaReader) await reader.settled()
    const { result, traffic } = await stage.traffic(() => reader.run(query.sql, keys, { rows: true }))
    return { ms: result.ms, traffic, rows: result.rows! }
  } finally {
    await reader.close()
  }
}

/** Throws unless two readers returned the same rows. */
export function sameRows(query: Query, ours: FirstExecution, theirs: FirstExecution): void {
  const [a, b] = [ours, theirs].map(({ rows }) => JSON.stringify(rows))
  if (a !== b) throw new Error(`${query.name}: the replica answered ${a}, the official VFS ${b}`)
}
