import type { FramePlace } from '../../src/replica/worker/chain/map-chunk.js'
import type { PageMap } from '../../src/replica/worker/chain/page-map.js'
import { PageMapBuilder } from '../../src/replica/worker/chain/page-map-builder.js'

/** A map of `commit` pages, each where `place` says. */
export function mapOf(commit: number, place: (pgno: number) => FramePlace): PageMap {
  const builder = new PageMapBuilder()
  builder.resize(commit)
  for (let pgno = 1; pgno <= commit; pgno++) builder.put(pgno, place(pgno))
  return builder.build()
}
