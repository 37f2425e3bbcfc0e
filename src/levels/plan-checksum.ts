import { corrupt } from '../ltx/corrupt.js'
import { fileLabel } from '../ltx/file-label.js'
import { CHECKSUM_FLAG, FLAG_NO_CHECKSUM, lockPgno } from '../ltx/format.js'
import { native } from '../native/addon.js'
import type { LtxFileInfo, ReplicaClient } from '../storage/replica-client.js'
import { decodeListed } from './decode-listed.js'
import type { PlannedFile } from './plan-check.js'

/**
 * Compares the database that the files of a plan make with the database checksum in the newest of
 * them, if that file has one: the files are read again, newest first, and each page counts once.
 * Throws LTX_CORRUPT, and what the store throws.
 */
export async function comparePlanChecksum(
  client: ReplicaClient,
  plan: readonly LtxFileInfo[],
  newest: PlannedFile,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { header, label, postApplyChecksum } = newest
  if ((header.flags & FLAG_NO_CHECKSUM) !== 0) return
  const { commit, pageSize } = header
  // Every page up to the commit is in the page index of a file of the plan, so this is bounded by
  // what was read.
  const seen = new Uint8Array(commit + 1)
  seen[lockPgno(pageSize)] = 1
  let sum = 0n
  for (const file of [...plan].reverse()) {
    const ltx = await decodeListed(client.stream(file, signal ? { signal } : {}), file, fileLabel(client, file))
    for await (const { pgnos, pages } of ltx.batches) {
      for (const [i, pgno] of pgnos.entries()) {
        if (pgno > commit || seen[pgno] === 1) continue
        seen[pgno] = 1
        const page = pages.subarray(i * pageSize, (i + 1) * pageSize)
        sum ^= native.sumPages(pageSize, pgnos.subarray(i, i + 1), page)
      }
    }
  }
  const computed = sum | CHECKSUM_FLAG
  if (computed === postApplyChecksum) return
  const [own, stored] = [computed.toString(16), postApplyChecksum.toString(16)]
  throw corrupt(`its post-apply checksum is ${stored}, but the pages up to it have ${own}`, label, 0)
}
