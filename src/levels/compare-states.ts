import { readIdentity, type StoredIdentity } from './database-identity.js'
import type { Divergence } from './divergence-record.js'
import type { PageSource } from './page-source.js'

/** Number of pages that are compared if the replica has no identity number. */
const SAMPLES = 32
/** Minimum fraction of the compared pages that must have content in common. */
const COMMON_PART = 0.2
/**
 * Minimum number of non-zero bytes of a page that is compared: an empty b-tree page has five.
 */
const MIN_CONTENT = 16
/**
 * The primary writes to the database at checkpoints; a power cut can cost the last of these writes.
 */
const LOST_WRITES = 1

export interface Comparison {
  /** Why `local` does not continue `replica`; undefined if it does. */
  readonly reason: Exclude<Divergence['reason'], 'unreadable'> | undefined
  readonly local: StoredIdentity
  readonly replica: StoredIdentity
}

/**
 * Whether a database continues the newest state of its replica. The identity
 * numbers decide if the replica has one (see database-identity.ts); otherwise sizes and some pages
 * decide. Throws LTX_CORRUPT and what the sources throw.
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
  // Pages of different sizes cannot be compared; VACUUM can change the page size of the same
  // database.
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
 * Page numbers from 2 on, evenly spread. Page 1 has the schema, which two databases of one
 * application share.
 */
function samplePages(commit: number): number[] {
  const last = commit - 1
  const samples = Math.min(SAMPLES, last)
  return Array.from({ length: samples }, (_, i) => 2 + Math.floor((i * last) / samples))
}
