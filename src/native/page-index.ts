/** The addon's page index. `state` is PageIndexReader's; a fault is left in it, and what came before the fault is returned. */
export interface PageIndexNative {
  /** Decodes the entries that end in `bytes`: page numbers, offsets, sizes. */
  decodePageIndex(
    state: Float64Array,
    bytes: Uint8Array,
  ): [pgnos: Uint32Array, offsets: Float64Array, sizes: Uint32Array]

  /**
   * Enters them into the chunks of a page map, which `own` gives by their ordinals. Returns page number, offset and size of each frame
   * that lies in one of the `pieces` (begin and end in turn), and all page numbers, if `collect`.
   */
  mapPageIndex(
    state: Float64Array,
    bytes: Uint8Array,
    file: number,
    own: (chunk: number) => ArrayBuffer,
    pieces: Float64Array,
    collect: boolean,
  ): [came: Float64Array, pgnos: Uint32Array]

  /** Checks what can be checked only once all bytes were read; a fault is left in the state. */
  endPageIndex(state: Float64Array): void
}
