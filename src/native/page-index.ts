/**
 * The addon's page index. `state` is PageIndexReader's; a fault is stored in it, and the entries
 * before the fault are returned.
 */
export interface PageIndexNative {
  /** Decodes the entries that end in `bytes` into page numbers, offsets, sizes. */
  decodePageIndex(
    state: Float64Array,
    bytes: Uint8Array,
  ): [pgnos: Uint32Array, offsets: Float64Array, sizes: Uint32Array]

  /**
   * Enters them into the chunks of a page map, which `own` returns by their index. Returns page
   * number, offset and size of each frame inside one of the `pieces` (begin and end, alternating),
   * and all page numbers, if `collect`.
   */
  mapPageIndex(
    state: Float64Array,
    bytes: Uint8Array,
    file: number,
    own: (chunk: number) => ArrayBuffer,
    pieces: Float64Array,
    collect: boolean,
  ): [frames: Float64Array, pgnos: Uint32Array]

  /** Makes the checks that need all bytes of the index; stores a fault in the state. */
  endPageIndex(state: Float64Array): void
}
