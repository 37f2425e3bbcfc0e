import type { FramePlace } from '../chain/page-map.js'

/** A page to be fetched. */
export interface WantedPage extends FramePlace {
  readonly pgno: number
}

/**
 * One request to the store. A request reads a byte range of one file. The request lists the wanted
 * frames inside that range by ascending offset.
 */
export interface FetchRange {
  readonly file: number
  readonly offset: number
  readonly length: number
  readonly pages: readonly WantedPage[]
}

/** Fetching up to this many unneeded bytes between two frames is cheaper than another request. */
export const MAX_GAP = 64 * 1024
/** Maximum bytes of one request. A longer range is split into several parallel requests. */
export const MAX_RANGE = 8 * 1024 * 1024

/**
 * Combines the wanted pages into as few requests as possible. Pages that are adjacent in the
 * database are adjacent in a file.
 */
export function planFetch(wanted: readonly WantedPage[], maxGap = MAX_GAP, maxRange = MAX_RANGE): FetchRange[] {
  const sorted = [...wanted].sort((a, b) => a.file - b.file || a.offset - b.offset)
  const ranges: { file: number; offset: number; length: number; pages: WantedPage[] }[] = []
  for (const page of sorted) {
    const last = ranges.at(-1)
    const end = page.offset + page.size
    if (
      last &&
      last.file === page.file &&
      page.offset - (last.offset + last.length) <= maxGap &&
      end - last.offset <= maxRange
    ) {
      last.length = Math.max(last.length, end - last.offset)
      last.pages.push(page)
    } else {
      ranges.push({ file: page.file, offset: page.offset, length: page.size, pages: [page] })
    }
  }
  return ranges
}
