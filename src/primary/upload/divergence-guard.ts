import { isLitestreamError, LitestreamError } from '../../errors.js'
import { compareStates } from '../../levels/compare-states.js'
import type { StoredIdentity } from '../../levels/database-identity.js'
import {
  acknowledgeDivergences,
  type Divergence,
  pendingDivergence,
  readDivergences,
  updateDivergences,
} from '../../levels/divergence-record.js'
import { divergenceHint, divergenceText } from '../../levels/divergence-text.js'
import { openLocalPages, PlannedPages } from '../../levels/page-source.js'
import { type FilesByLevel, listTogether, selectPlan } from '../../levels/plan.js'
import type { LtxFileInfo, ReplicaClient } from '../../storage/replica-client.js'
import type { PrimaryObserver } from '../events.js'
import type { OnDivergence } from './on-divergence.js'

export interface DivergenceGuardParts {
  readonly db: string
  readonly client: ReplicaClient
  readonly mode: OnDivergence
  /** Time in milliseconds for which retention keeps the files from before a recorded divergence. */
  readonly keep: number
  /** Whether this primary has replicated the database before. */
  readonly isKnown: () => boolean
  readonly observe: PrimaryObserver
}

/** A staged file that holds the whole database. */
export interface StagedWhole {
  readonly path: string
  readonly txid: number
  /** Size of the staged file in bytes. */
  readonly size: number
  readonly timestamp: number
}

/** Maximum number of TXIDs, from the newest one down, to which a restore is planned. */
const MAX_TRIES = 64

/**
 * Checks a staged file with all pages of the database before its upload. If the database diverged
 * from the replica, DivergenceGuard first records the divergence in the replica. Because of the
 * record, retention keeps the files that a restore to the replica's previous state needs (see
 * levels/divergence-record.ts).
 */
export class DivergenceGuard {
  readonly #parts: DivergenceGuardParts
  /** TXIDs of staged files that may be uploaded. */
  readonly #passed = new Set<number>()
  #pending: Divergence | undefined
  /** The TXID of the last divergence that was reported. */
  #reported: number | undefined

  constructor(parts: DivergenceGuardParts) {
    this.#parts = parts
  }

  /** A divergence that no user has acknowledged yet. */
  get pending(): Divergence | undefined {
    return this.#pending
  }

  /**
   * Reads the record of divergences again. Ignores a damaged or too large record, because retention
   * reports this error.
   */
  async load(): Promise<void> {
    try {
      this.#note(await readDivergences(this.#parts.client))
    } catch (error) {
      if (!isLitestreamError(error, 'LTX_CORRUPT', 'STORAGE_FAILED')) throw error
    }
  }

  async acknowledge(): Promise<readonly Divergence[]> {
    const { client, keep } = this.#parts
    const acknowledged = await acknowledgeDivergences(client, keep)
    this.#note([])
    return acknowledged
  }

  /**
   * Resolves when the staged file may be uploaded. Throws REPLICA_DIVERGED if the staged file must
   * not be uploaded, LTX_CORRUPT if the record of divergences is damaged, and errors of the store.
   */
  async examine(file: StagedWhole): Promise<void> {
    if (this.#passed.has(file.txid)) return
    const divergence = await this.#compare(file)
    if (divergence) await this.#record(divergence)
    this.#passed.add(file.txid)
  }

  async #compare({ path, txid, size, timestamp }: StagedWhole): Promise<Divergence | undefined> {
    const { client, db } = this.#parts
    const local = await openLocalPages(path, { level: 0, minTxid: txid, maxTxid: txid, size, createdAt: timestamp })
    if (!local.isWhole) return undefined
    const levels = (await listTogether(client)).map((files) => files.filter(({ maxTxid }) => maxTxid < txid))
    const plan = newestPlan(levels)
    const newest = plan?.at(-1)
    if (!plan || !newest) return undefined
    const own = { txid, pages: local.commit, pageSize: local.pageSize }
    const point = { at: Date.now(), database: db, local: own }
    try {
      const replica = await PlannedPages.open(client, plan)
      const { reason, ...identities } = await compareStates(local, replica)
      if (reason === undefined) return undefined
      const { commit: pages, pageSize } = replica
      const theirs = { txid: newest.maxTxid, pages, pageSize, timestamp: replica.timestamp, ...identities.replica }
      return this.#acknowledgedIfBack({ ...point, reason, replica: theirs }, identities.local)
    } catch (error) {
      if (!isLitestreamError(error, 'LTX_CORRUPT', 'PAGE_SIZE_MISMATCH')) throw error
      // The replica is damaged. A primary that has replicated this database before repairs the
      // replica with the pages of the database.
      if (this.#parts.isKnown()) return undefined
      const unknown = { pages: 0, pageSize: own.pageSize, timestamp: newest.createdAt, lineage: 0, sequence: 0 }
      return { ...point, reason: 'unreadable', replica: { txid: newest.maxTxid, ...unknown } }
    }
  }

  /**
   * Marks a divergence as acknowledged if the database equals the replica's state before a
   * divergence that was recorded earlier. A user has then restored that state.
   */
  #acknowledgedIfBack(divergence: Divergence, { lineage }: StoredIdentity): Divergence {
    const isBack = lineage !== 0 && this.#pending?.replica.lineage === lineage
    return isBack ? { ...divergence, acknowledgedAt: divergence.at } : divergence
  }

  /**
   * Records the divergence in the replica. Throws REPLICA_DIVERGED if the database must not be
   * uploaded.
   */
  async #record(found: Divergence): Promise<void> {
    const { client, keep, mode } = this.#parts
    const { txid } = found.replica
    const points = await updateDivergences(client, keep, (before) => {
      // The record already contains this divergence, perhaps from an earlier process.
      if (before.some((point) => point.replica.txid === txid)) return before
      const { acknowledgedAt } = found
      const known = acknowledgedAt === undefined ? before : before.map((point) => ({ acknowledgedAt, ...point }))
      return [...known, found]
    })
    this.#note(points)
    const point = points.find(({ replica }) => replica.txid === txid) ?? found
    if (point.acknowledgedAt !== undefined) return
    this.#report(point)
    if (mode === 'continue') return
    const { url } = client
    throw new LitestreamError('REPLICA_DIVERGED', divergenceText(point, url), {
      file: point.database,
      hint: divergenceHint(point, url),
    })
  }

  #report(divergence: Divergence): void {
    if (this.#reported === divergence.replica.txid) return
    this.#reported = divergence.replica.txid
    const { db, client, mode, observe } = this.#parts
    const [text, hint] = [divergenceText(divergence, client.url), divergenceHint(divergence, client.url)]
    observe('divergence', { db, divergence, text, hint, action: mode })
  }

  #note(points: readonly Divergence[]): void {
    this.#pending = pendingDivergence(points)
  }
}

/**
 * Returns the restore plan for the newest TXID that a restore can reach. Uses only the names of the
 * files. Returns undefined if no restore is possible.
 */
function newestPlan(levels: FilesByLevel): LtxFileInfo[] | undefined {
  const ends = [...new Set(levels.flat().map(({ maxTxid }) => maxTxid))].sort((a, b) => b - a)
  for (const txid of ends.slice(0, MAX_TRIES)) {
    const plan = selectPlan(levels, { txid })
    if (plan.length > 0) return plan
  }
  return undefined
}
