import { corrupt } from '../ltx/corrupt.js'
import { fileLabel } from '../ltx/file-label.js'
import { CHECKSUM_FLAG, FLAG_NO_CHECKSUM, lockPgno } from '../ltx/format.js'
import { native } from '../native/addon.js'
import type { LtxFileInfo, ReplicaClient } from '../storage/replica-client.js'
import { decodeListed } from './decode-listed.js'
import type { PlannedFile } from './plan-check.js'

/**
 * If the newest file of the plan has a database checksum, compares this checksum with the restored
 * database. Reads the files again, newest first, and uses the newest version of each page. Throws
 * LTX_CORRUPT, and the errors of the store.
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
  // The page indexes that were read have an entry for every page up to `commit`, so `seen` needs
  // less memory than these page indexes.
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
  throw corrupt(
    `the post-apply checksum of the file is ${stored}, but the pages up to this file have the checksum ${own}`,
    label,
    0,
  )
}
