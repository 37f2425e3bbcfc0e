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
  const sameBase = before.base?.file === after.base?.file && before.base?.last === after.base?.last
  // The base of `map` may be the lost file.
  const moves = !sameBase && map.base !== undefined && map.base.file === before.base?.file
  if (moves) builder.setBase(after.base)
  const reach = Math.min(...[map, before, after].map(({ base }) => base?.last ?? 0))
  for (let at = 0; at < map.length; at++) {
    const last = Math.min(map.commit, (at + 1) * CHUNK_PAGES)
    if (sameBase && before.chunk(at) === after.chunk(at)) continue
    const empty = [map, before, after].every((each) => each.chunk(at) === undefined)
    if (empty && (!moves || last <= reach)) continue
    await breather.rest()
    for (let pgno = at * CHUNK_PAGES + 1; pgno <= last; pgno++) {
      const file = map.fileOf(pgno)
      const other = file === before.fileOf(pgno) ? after.fileOf(pgno) : 0
      const wanted = other === 0 ? file : other
      if (wanted === builder.fileOf(pgno)) continue
      if (wanted === 0) builder.remove(pgno)
      else builder.put(pgno, (other === 0 ? map : after).find(pgno))
    }
  }
  return builder.build()
}
