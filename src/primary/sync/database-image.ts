import { native } from '../../native/addon.js'
import { Breather } from '../../util/breather.js'
import type { PageRun } from '../source/page-runs.js'

/**
 * One checksum for each page of a database at one TXID. A DatabaseImage is plain data that can be
 * sent to another thread.
 */
export interface DatabaseImage {
  readonly txid: number
  /** Page size in bytes. */
  readonly pageSize: number
  /** Size of the database in pages. */
  readonly commit: number
  /** CRC-64 of page `i + 1`, or 0 for the lock page. The checksum of a page takes 8 bytes. */
  readonly sums: BigUint64Array
}

/** Returns the checksums of all pages in `runs`, in the form of DatabaseImage. */
export async function pageSums(
  runs: Iterable<PageRun> | AsyncIterable<PageRun>,
  { commit, pageSize }: Pick<DatabaseImage, 'commit' | 'pageSize'>,
): Promise<BigUint64Array> {
  const sums = new BigUint64Array(commit)
  const breather = new Breather()
  for await (const { pgnos, pages } of runs) {
    for (const [i, pgno] of pgnos.entries()) {
      sums[pgno - 1] = native.crc64(0n, pages.subarray(i * pageSize, (i + 1) * pageSize))
    }
    await breather.rest()
  }
  return sums
}

/**
 * Describes the first difference between two images of one TXID. Returns undefined if the images
 * are equal.
 */
export function imageDifference(a: DatabaseImage, b: DatabaseImage): string | undefined {
  if (a.pageSize !== b.pageSize) return `pages of ${a.pageSize} and ${b.pageSize} bytes`
  if (a.commit !== b.commit) return `${a.commit} and ${b.commit} pages`
  const first = a.sums.findIndex((sum, i) => sum !== b.sums[i])
  return first < 0 ? undefined : `page ${first + 1} of ${a.commit} differs`
}
