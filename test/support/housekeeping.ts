import { listLevel, mergeFiles } from '../../src/compaction/compact.js'
import type { LtxFileInfo } from '../../src/storage/replica-client.js'
import type { Random } from './random.js'
import type { Source } from './replica.js'

const COMPACTED = [1, 2, 3]

/**
 * Compacts, makes a snapshot, or deletes files that others have replaced. Returns the number of
 * affected files.
 */
export async function housekeep(source: Source, random: Random): Promise<number> {
  switch (random.integer(0, 3)) {
    case 0:
    case 1:
      return compactSome(source, random)
    case 2:
      await source.history.snapshot()
      return 1
    default:
      return dropSome(source, random)
  }
}

async function compactSome({ client }: Source, random: Random): Promise<number> {
  const level = random.integer(1, 3)
  const below = await listLevel(client, level - 1, 0, undefined)
  const done = (await listLevel(client, level, 0, undefined)).at(-1)?.maxTxid ?? 0
  const inputs = below.filter((file) => file.minTxid > done).slice(0, random.integer(1, 12))
  if (inputs.length === 0 || inputs[0].minTxid !== done + 1) return 0
  await mergeFiles(client, inputs, level)
  return inputs.length
}

/**
 * Retention without a waiting time: files covered by a snapshot or a compacted file may be deleted
 * immediately.
 */
async function dropSome({ client }: Source, random: Random): Promise<number> {
  const compacted = (await listLevel(client, 1, 0, undefined)).at(-1)?.maxTxid ?? 0
  const snapshots = await listLevel(client, 9, 0, undefined)
  const snapshot = snapshots.at(-1)?.maxTxid ?? 0
  const covered = Math.max(compacted, snapshot)
  const raw = await listLevel(client, 0, 0, undefined)
  const old: LtxFileInfo[] = raw.filter((file) => file.maxTxid <= covered).slice(0, random.integer(1, 20))
  for (const level of random.chance(0.5) ? COMPACTED : []) {
    old.push(...(await listLevel(client, level, 0, undefined)).filter((file) => file.maxTxid <= snapshot))
  }
  old.push(...snapshots.slice(0, -1))
  await client.delete(old)
  return old.length
}
