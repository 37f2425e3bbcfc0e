import { native } from '../../native/addon.js'
import { Breather } from '../../util/breather.js'
import type { PageRun } from '../source/page-runs.js'

/** The checksums of the pages of a database at one TXID, one for each page. Plain data. */
export interface DatabaseImage {
  readonly txid: number
  /** Bytes. */
  readonly pageSize: number
  /** Size in pages. */
  readonly commit: number
  /** CRC-64 of page `i + 1`; 0 for the lock page. 8 bytes a page. */
  readonly sums: BigUint64Array
}

/** The checksums of all pages in `runs`, as DatabaseImage has them. */
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

/** Why two images of one TXID differ, as a phrase; undefined if they are equal. */
export function imageDifference(a: DatabaseImage, b: DatabaseImage): string | undefined {
  if (a.pageSize !== b.pageSize) return `pages of ${a.pageSize} and ${b.pageSize} bytes`
  if (a.commit !== b.commit) return `${a.commit} and ${b.commit} pages`
  const first = a.sums.findIndex((sum, i) => sum !== b.sums[i])
  return first < 0 ? undefined : `page ${first + 1} of ${a.commit} differs`
}
