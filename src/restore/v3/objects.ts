import { LitestreamError } from '../../errors.js'
import type { LegacyObject, LegacyObjects } from '../../storage/replica-client.js'

/** A snapshot of the whole database at the beginning of the WAL with the index `index`. */
export interface V3Snapshot extends LegacyObject {
  readonly generation: string
  readonly index: number
}

/** A part of the WAL with the index `index`. The part begins at the byte `offset` of the WAL. */
export interface V3Segment extends LegacyObject {
  readonly generation: string
  readonly index: number
  readonly offset: number
}

export interface V3Listing {
  readonly snapshots: readonly V3Snapshot[]
  /** The segments in ascending order of generation, index and offset. */
  readonly segments: readonly V3Segment[]
}

const SNAPSHOT = /^generations\/([0-9a-f]{16})\/snapshots\/([0-9a-f]{8})\.snapshot\.lz4$/
const SEGMENT = /^generations\/([0-9a-f]{16})\/wal\/([0-9a-f]{8})_([0-9a-f]{8,16})\.wal\.lz4$/

export async function listV3(objects: LegacyObjects, signal?: AbortSignal): Promise<V3Listing> {
  const snapshots: V3Snapshot[] = []
  const segments: V3Segment[] = []
  for await (const object of objects.list('generations/', signal ? { signal } : {})) {
    const snapshot = SNAPSHOT.exec(object.name)
    const segment = SEGMENT.exec(object.name)
    if (snapshot) snapshots.push({ ...object, generation: snapshot[1]!, index: Number.parseInt(snapshot[2]!, 16) })
    if (segment) {
      const [, generation, index, offset] = segment
      segments.push({
        ...object,
        generation: generation!,
        index: Number.parseInt(index!, 16),
        offset: Number.parseInt(offset!, 16),
      })
    }
  }
  segments.sort((a, b) =>
    a.generation < b.generation ? -1 : a.generation > b.generation ? 1 : a.index - b.index || a.offset - b.offset,
  )
  return { snapshots, segments }
}

export interface V3Plan {
  readonly snapshot: V3Snapshot
  /** The segments of consecutive indexes. The first index is the index of the snapshot. */
  readonly segments: readonly V3Segment[]
}

/**
 * Returns the newest snapshot of any generation that was written at or before `timestamp`. Also
 * returns the later segments of the snapshot's generation. Returns undefined if no snapshot was
 * written at or before `timestamp`. Throws LTX_GAP if an index, or the first segment of an index,
 * is missing.
 */
export function selectV3({ snapshots, segments }: V3Listing, timestamp = Number.POSITIVE_INFINITY): V3Plan | undefined {
  let snapshot: V3Snapshot | undefined
  for (const candidate of snapshots) {
    if (candidate.createdAt > timestamp) continue
    const newer = !snapshot || candidate.createdAt > snapshot.createdAt
    const later = snapshot && candidate.createdAt === snapshot.createdAt && candidate.index > snapshot.index
    if (newer || later) snapshot = candidate
  }
  if (!snapshot) return undefined
  const { generation, index } = snapshot
  const chosen = segments.filter(
    (segment) => segment.generation === generation && segment.index >= index && segment.createdAt <= timestamp,
  )
  let expected = index
  for (const [i, segment] of chosen.entries()) {
    const first = chosen[i - 1]?.index !== segment.index
    if (first && i > 0) expected++
    if (segment.index !== expected) {
      throw gap(`missing WAL index ${expected.toString(16).padStart(8, '0')} of generation ${generation}`, segment.name)
    }
    if (first && segment.offset !== 0) {
      throw gap(
        `missing WAL segment: index ${segment.index.toString(16).padStart(8, '0')} begins at offset ${segment.offset}`,
        segment.name,
      )
    }
  }
  return { snapshot, segments: chosen }
}

export function gap(what: string, file: string): LitestreamError {
  return new LitestreamError('LTX_GAP', what, {
    file,
    hint: 'Restore to an earlier time with -timestamp, because the backup lacks a file.',
  })
}

/**
 * Returns the time at which the newest object of a plan or listing was written, in milliseconds
 * since the epoch. Returns 0 if the plan or listing has no object.
 */
export function newestTime({ snapshots, segments }: V3Listing): number {
  return [...snapshots, ...segments].reduce((newest, { createdAt }) => Math.max(newest, createdAt), 0)
}

/**
 * Throws LTX_GAP if a segment does not begin at byte `end`. The previous segment of the same WAL
 * ended at the byte `end`.
 */
export function checkContinues({ index, offset, name }: V3Segment, end: number): void {
  if (offset === end) return
  const wal = index.toString(16).padStart(8, '0')
  throw gap(`missing WAL segment: index ${wal} continues at offset ${offset} instead of ${end}`, name)
}
