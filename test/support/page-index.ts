import type { PageIndex } from '../../src/ltx/page-index.js'

export interface Frame {
  readonly pgno: number
  readonly offset: number
  readonly size: number
}

/** The page index of a file that has these frames, ascending. */
export function pageIndexOf(frames: readonly Frame[]): PageIndex {
  return {
    count: frames.length,
    pgnos: Uint32Array.from(frames, ({ pgno }) => pgno),
    offsets: Float64Array.from(frames, ({ offset }) => offset),
    sizes: Uint32Array.from(frames, ({ size }) => size),
  }
}
