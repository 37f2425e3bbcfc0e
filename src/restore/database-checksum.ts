import { openRegular } from '../fs/open-regular.js'
import { corrupt } from '../ltx/corrupt.js'
import { CHECKSUM_FLAG, lockPgno } from '../ltx/format.js'
import type { LtxHeader } from '../ltx/header.js'
import { native } from '../native/addon.js'

/** Number of bytes of pages that one batch reads. */
const BATCH_SIZE = 1024 * 1024

/**
 * Compares a whole database with the database checksum in the newest LTX file of the database.
 * Throws LTX_CORRUPT if the checksums differ.
 */
export async function compareDatabaseChecksum(
  database: string,
  newest: { readonly header: LtxHeader; readonly label: string; readonly postApplyChecksum: bigint },
): Promise<void> {
  const { commit, pageSize } = newest.header
  const lock = lockPgno(pageSize)
  const most = Math.max(1, Math.floor(BATCH_SIZE / pageSize))
  let sum = 0n
  const { handle } = await openRegular(database)
  try {
    for (let first = 1; first <= commit; ) {
      // The lock page has no checksum, so a batch ends before the lock page.
      const end = first <= lock && lock < first + most ? lock : first + most
      const pgnos = Uint32Array.from({ length: Math.min(end, commit + 1) - first }, (_, i) => first + i)
      const pages = new Uint8Array(pgnos.length * pageSize)
      await handle.read(pages, 0, pages.length, (first - 1) * pageSize)
      sum ^= native.sumPages(pageSize, pgnos, pages)
      first = end === lock ? lock + 1 : end
    }
  } finally {
    await handle.close()
  }
  const computed = sum | CHECKSUM_FLAG
  if (computed === newest.postApplyChecksum) return
  const [own, stored] = [computed.toString(16), newest.postApplyChecksum.toString(16)]
  throw corrupt(
    `the post-apply checksum of the file is ${stored}, but the restored pages have the checksum ${own}`,
    newest.label,
    0,
  )
}
