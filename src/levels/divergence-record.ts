import { isLitestreamError, LitestreamError } from '../errors.js'
import type { LtxFileInfo, LtxFileRef, ReplicaClient, RequestOptions, TaggedObject } from '../storage/replica-client.js'
import { dateTime, type JsonShape, listOf, literal, optional, record, text, where, whole } from '../util/json-shape.js'
import { DIVERGED_RETENTION_MS } from './diverged-retention.js'
import { type FilesByLevel, selectPlan } from './plan.js'

/**
 * The name of a replica's divergence record. The record describes each divergence. At a divergence,
 * a primary uploads a database that does not continue the replica.
 */
export const DIVERGENCE_NAME = 'divergence.json'

/**
 * Maximum number of divergences in one record. The number of divergences is limited, because an
 * application that creates its database again at every start adds one divergence per start.
 */
const MAX_POINTS = 32
/**
 * Maximum size of a record in bytes. A record with MAX_POINTS divergences and the longest possible
 * paths is smaller than this limit.
 */
const MAX_BYTES = 256 * 1024
/** Maximum number of characters of the database path in a record. */
const MAX_PATH = 4096
/** Maximum number of records in a write-once replica. */
const MAX_RECORDS = 2 ** 20
/**
 * Maximum number of tries to change the record. A try fails if another primary changes the record
 * at the same time.
 */
const MAX_ATTEMPTS = 10

const REASONS = ['unrelated', 'smaller', 'older', 'unreadable'] as const
const count = whole(0)
const time: JsonShape<number> = (value, key) => Date.parse(dateTime(value, key))
const state = {
  txid: whole(1),
  pages: count,
  pageSize: whole(512, 65_536),
}
const point = record({
  reason: where(
    text,
    (value) => REASONS.some((reason) => reason === value),
    `one of ${REASONS.join(', ')}`,
  ) as JsonShape<(typeof REASONS)[number]>,
  at: time,
  database: where(text, ({ length }) => length <= MAX_PATH, 'a path'),
  replica: record({ ...state, timestamp: count, lineage: count, sequence: count }),
  local: record(state),
  acknowledgedAt: optional(time),
})
const shape = record({
  version: literal(1),
  points: where(listOf(point), ({ length }) => length <= MAX_POINTS, `a list of at most ${MAX_POINTS}`),
})

/** One state of a database. */
export interface DivergedState {
  /** TXID of the state. */
  readonly txid: number
  /** Size of the database in pages. */
  readonly pages: number
  /** Page size in bytes. */
  readonly pageSize: number
}

/** A divergence, at which a primary uploaded a database that does not continue the replica. */
export interface Divergence {
  /**
   * Why the database does not continue the replica. `unrelated`: the replica holds another
   * database. `smaller`: the database is less than half as large as the database in the replica.
   * `older`: the database is in an earlier state than the replica. `unreadable`: damaged files of
   * the replica prevented the comparison.
   */
  readonly reason: 'unrelated' | 'smaller' | 'older' | 'unreadable'
  /** Time of the divergence. All times are in milliseconds since the epoch. */
  readonly at: number
  /** Path of the database on the primary. */
  readonly database: string
  /**
   * The newest state of the replica before the divergence. Unknown numbers in `lineage` and
   * `sequence` are 0 (see database-identity.ts).
   */
  readonly replica: DivergedState & { readonly timestamp: number; readonly lineage: number; readonly sequence: number }
  /** The state of the database that the primary uploaded. */
  readonly local: DivergedState
  /** Time at which a user acknowledged the divergence. */
  readonly acknowledgedAt?: number | undefined
}

/**
 * Returns the divergences of a replica, oldest first. Throws LTX_CORRUPT for a damaged record, and
 * the errors of the store.
 */
export async function readDivergences(
  client: ReplicaClient,
  options: RequestOptions = {},
): Promise<readonly Divergence[]> {
  return (await newestRecord(client, options)).points
}

/**
 * Returns the name of the record after `changes` changes. Only a write-once replica has numbered
 * names, because each change creates a new object.
 */
function recordName(changes: number): string {
  return changes === 1 ? DIVERGENCE_NAME : DIVERGENCE_NAME.replace('.', `-${changes}.`)
}

interface NewestRecord {
  readonly points: readonly Divergence[]
  /** The number of changes of the record, or 0 if the replica has no record. */
  readonly changes: number
  readonly tag: string | undefined
}

/**
 * Reads the newest record. A replica that is not write-once has only one record. In a write-once
 * replica, each record contains all divergences of the earlier records, and a binary search finds
 * the newest record.
 */
async function newestRecord(client: ReplicaClient, options: RequestOptions): Promise<NewestRecord> {
  const read = (changes: number) => client.getObject(recordName(changes), options)
  let newest = await read(1)
  if (!newest) return { points: [], changes: 0, tag: undefined }
  let exists = 1
  let missing = 2
  for (let found = await read(missing); found && missing < MAX_RECORDS; found = await read(missing)) {
    ;[newest, exists, missing] = [found, missing, missing * 2]
  }
  while (missing - exists > 1) {
    const middle = Math.floor((exists + missing) / 2)
    const found = await read(middle)
    if (found) [newest, exists] = [found, middle]
    else missing = middle
  }
  return { points: parse(client, newest, recordName(exists)), changes: exists, tag: newest.tag }
}

/**
 * Changes the divergence record with compare-and-set. In a write-once replica, creates a new
 * record. Removes divergences that are older than `keep` milliseconds and older than
 * DIVERGED_RETENTION_MS. Returns all divergences in the changed record. Throws the errors of
 * `readDivergences`.
 */
export async function updateDivergences(
  client: ReplicaClient,
  keep: number,
  change: (points: readonly Divergence[]) => readonly Divergence[],
): Promise<readonly Divergence[]> {
  const longest = Math.max(keep, DIVERGED_RETENTION_MS)
  for (let attempt = 1; ; attempt++) {
    const { points: before, changes, tag = null } = await newestRecord(client, {})
    const after = change(before)
    if (after === before) return before
    const kept = bounded(after.filter((each) => isKept(each, Date.now(), longest)))
    try {
      if (client.writeOnce) await client.putObject(recordName(changes + 1), serialize(kept), null)
      else await client.putObject(recordName(Math.max(1, changes)), serialize(kept), tag)
      return kept
    } catch (error) {
      if (!isLitestreamError(error, 'PRECONDITION_FAILED') || attempt === MAX_ATTEMPTS) throw error
    }
  }
}

/**
 * Records that a user has acknowledged all divergences. Returns the divergences that were not
 * acknowledged before.
 */
export async function acknowledgeDivergences(client: ReplicaClient, keep: number): Promise<Divergence[]> {
  let pending: Divergence[] = []
  await updateDivergences(client, keep, (points) => {
    pending = points.filter((each) => each.acknowledgedAt === undefined)
    if (pending.length === 0) return points
    const acknowledgedAt = Date.now()
    return points.map((each) => ({ ...each, acknowledgedAt: each.acknowledgedAt ?? acknowledgedAt }))
  })
  return pending
}

/**
 * Returns the divergence that no user has acknowledged. Of several unacknowledged divergences,
 * returns the divergence at which the largest database was replaced in the replica. Returns
 * undefined if all divergences are acknowledged.
 */
export function pendingDivergence(points: readonly Divergence[]): Divergence | undefined {
  const pending = points.filter((each) => each.acknowledgedAt === undefined)
  return pending.sort((a, b) => bytesOf(b.replica) - bytesOf(a.replica))[0]
}

/** Returns the size of a database in bytes. */
export function bytesOf({ pages, pageSize }: DivergedState): number {
  return pages * pageSize
}

/**
 * Returns the files that restores to the states before the divergences need, and that retention
 * must not delete. The files are keys of `heldKey`. `now` is in milliseconds since the epoch.
 * Retention keeps the files for `keep` milliseconds after a divergence.
 */
export function heldFiles(
  levels: FilesByLevel,
  points: readonly Divergence[],
  { now, keep }: { readonly now: number; readonly keep: number },
): ReadonlySet<string> {
  const held = new Set<string>()
  const txids = new Set(points.filter((each) => isKept(each, now, keep)).map(({ replica }) => replica.txid))
  for (const txid of txids) for (const file of selectPlan(levels, { txid })) held.add(heldKey(file))
  return held
}

export function heldKey({ level, minTxid, maxTxid }: LtxFileRef): string {
  return `${level} ${minTxid} ${maxTxid}`
}

/**
 * Returns the files of `doomed` except those that `heldFiles` returns. Reads the divergence record
 * only if `doomed` is not empty. Throws the errors of `readDivergences`.
 */
export async function withoutHeld(
  client: ReplicaClient,
  doomed: readonly LtxFileInfo[],
  {
    now,
    keep,
    levels,
    signal,
  }: {
    readonly now: number
    readonly keep: number
    readonly levels: () => Promise<FilesByLevel>
    readonly signal?: AbortSignal | undefined
  },
): Promise<LtxFileInfo[]> {
  if (doomed.length === 0) return []
  const points = await readDivergences(client, signal ? { signal } : {})
  if (points.length === 0) return [...doomed]
  const held = heldFiles(await levels(), points, { now, keep })
  return doomed.filter((file) => !held.has(heldKey(file)))
}

/**
 * Returns whether retention still keeps the files from before the divergence. If the time of the
 * divergence is in the future, retention keeps the files until this time plus `keep`.
 */
function isKept({ at }: Divergence, now: number, keep: number): boolean {
  return at + keep > now
}

/**
 * Returns at most MAX_POINTS divergences. Of more than MAX_POINTS divergences, removes the
 * divergences at which the smallest databases were replaced in the replica. If these databases are
 * equally small, removes the newest divergence.
 */
function bounded(points: readonly Divergence[]): Divergence[] {
  const kept = [...points]
  while (kept.length > MAX_POINTS) {
    const smallest = kept.reduce((a, b) => (bytesOf(b.replica) <= bytesOf(a.replica) ? b : a))
    kept.splice(kept.indexOf(smallest), 1)
  }
  return kept
}

function serialize(points: readonly Divergence[]): Uint8Array {
  const isoTime = (ms: number | undefined) => (ms === undefined ? undefined : new Date(ms).toISOString())
  const rows = points.map((each) => ({
    ...each,
    at: isoTime(each.at),
    acknowledgedAt: isoTime(each.acknowledgedAt),
    database: each.database.slice(0, MAX_PATH),
  }))
  return Buffer.from(JSON.stringify({ version: 1, points: rows }))
}

function parse(client: ReplicaClient, { data }: TaggedObject, name: string): readonly Divergence[] {
  const file = `${client.url} ${name}`
  const damaged = (why: string, cause?: unknown) =>
    new LitestreamError('LTX_CORRUPT', `${file}: the record of diverged databases is damaged: ${why}`, {
      file,
      cause,
      hint: `Check the replica with \`litestream-ts ltx -level all\`, then remove the object ${name} from the replica. The primary deletes no files from the replica while this record is damaged.`,
    })
  if (data.byteLength > MAX_BYTES) throw damaged(`the record has ${data.byteLength} bytes, more than ${MAX_BYTES}`)
  try {
    return shape(JSON.parse(Buffer.from(data).toString('utf8'))).points
  } catch (error) {
    if (error instanceof SyntaxError) throw damaged('the record is not JSON', error)
    if (error instanceof TypeError) throw damaged(error.message, error)
    throw error
  }
}
