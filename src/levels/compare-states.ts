import { readIdentity, type StoredIdentity } from './database-identity.js'
import type { Divergence } from './divergence-record.js'
import type { PageSource } from './page-source.js'

/** Number of pages that are compared if the replica has no lineage number. */
const SAMPLES = 32
/** Minimum fraction of the compared pages that must have similar content. */
const COMMON_PART = 0.2
/**
 * Minimum number of non-zero bytes of a page that is compared. An empty b-tree page has five
 * non-zero bytes.
 */
const MIN_CONTENT = 16
/**
 * Number of the primary's own writes that a power cut may undo. The primary writes to the database
 * at each checkpoint.
 */
const LOST_WRITES = 1

export interface Comparison {
  /**
   * The reason why the database diverged from the replica, or undefined if the database did not
   * diverge.
   */
  readonly reason: Exclude<Divergence['reason'], 'unreadable'> | undefined
  readonly local: StoredIdentity
  readonly replica: StoredIdentity
}

/**
 * Checks whether the local database diverged from its replica. If the database in the replica has a
 * lineage number, compares the identities of both databases (see database-identity.ts). Without a
 * lineage number, compares the sizes of both databases and a sample of their pages. Throws
 * LTX_CORRUPT and the errors of both sources.
 */
export async function compareStates(local: PageSource, replica: PageSource): Promise<Comparison> {
  const identities = { local: await readIdentity(local), replica: await readIdentity(replica) }
  const { lineage, sequence } = identities.replica
  const reason = (): Comparison['reason'] => {
    if (lineage !== identities.local.lineage) return 'unrelated'
    return identities.local.sequence < sequence - LOST_WRITES ? 'older' : undefined
  }
  if (lineage !== 0) return { reason: reason(), ...identities }
  return { reason: await compareContent(local, replica), ...identities }
}

async function compareContent(local: PageSource, replica: PageSource): Promise<Comparison['reason']> {
  const [own, theirs] = [local, replica].map(({ commit, pageSize }) => commit * pageSize) as [number, number]
  if (own < theirs / 2) return 'smaller'
  // The pages cannot be compared, because their sizes differ. VACUUM may have changed the page
  // size.
  if (local.pageSize !== replica.pageSize) return undefined
  let compared = 0
  let common = 0
  for (const pgno of samplePages(Math.min(local.commit, replica.commit))) {
    const before = await replica.read(pgno)
    const content = before.reduce((sum, byte) => sum + (byte === 0 ? 0 : 1), 0)
    if (content < MIN_CONTENT) continue
    compared++
    const now = await local.read(pgno)
    const equal = before.reduce((sum, byte, i) => sum + (byte !== 0 && byte === now[i] ? 1 : 0), 0)
    if (equal * 2 >= content) common++
  }
  return compared > 0 && common < compared * COMMON_PART ? 'unrelated' : undefined
}

/**
 * Returns evenly spaced page numbers from page 2 on. Omits page 1, because two databases of one
 * application may have the same schema.
 */
function samplePages(commit: number): number[] {
  const last = commit - 1
  const samples = Math.min(SAMPLES, last)
  return Array.from({ length: samples }, (_, i) => 2 + Math.floor((i * last) / samples))
}
