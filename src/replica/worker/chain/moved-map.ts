import { Breather } from '../../../util/breather.js'
import { CHUNK_PAGES } from './map-chunk.js'
import type { PageMap } from './page-map.js'
import { PageMapBuilder } from './page-map-builder.js'

/**
 * Returns a copy of `map` with the same page versions at positions in other files. If `map` and
 * `before` have a page in the same file, the copy gets the page's position in `after`. If `after`
 * has no position for the page, the copy keeps the position in `map`. Chunks that `before` and
 * `after` share are skipped.
 */
export async function movedMap(map: PageMap, before: PageMap, after: PageMap): Promise<PageMap> {
  const breather = new Breather()
  const builder = new PageMapBuilder(map)
  for (let at = 0; at < map.length; at++) {
    if (map.chunk(at) === undefined || before.chunk(at) === after.chunk(at)) continue
    await breather.rest()
    const last = Math.min(map.commit, (at + 1) * CHUNK_PAGES)
    for (let pgno = at * CHUNK_PAGES + 1; pgno <= last; pgno++) {
      const file = map.fileOf(pgno)
      if (file === 0 || file !== before.fileOf(pgno) || file === after.fileOf(pgno)) continue
      const place = after.find(pgno)
      if (place.file !== 0) builder.put(pgno, place)
    }
  }
  return builder.build()
}
