/**
 * Functions of the addon that decode page indexes. `state` is the state array of PageIndexReader.
 * At a fault, a function stores the fault in `state` and returns the entries before the fault.
 */
export interface PageIndexNative {
  /** Decodes the entries that end in `bytes` to page numbers, offsets and frame sizes. */
  decodePageIndex(
    state: Float64Array,
    bytes: Uint8Array,
  ): [pgnos: Uint32Array, offsets: Float64Array, sizes: Uint32Array]

  /**
   * Decodes entries and adds them to the chunks of a page map. `own` returns the memory of a chunk
   * by its index. Returns the page number, offset and size of each frame inside one of the byte
   * ranges in `pieces`. `pieces` contains the first offset and the end offset of each byte range.
   * With `collect`, also returns all page numbers.
   */
  mapPageIndex(
    state: Float64Array,
    bytes: Uint8Array,
    file: number,
    own: (chunk: number) => ArrayBuffer,
    pieces: Float64Array,
    collect: boolean,
  ): [frames: Float64Array, pgnos: Uint32Array]

  /** Makes the checks that need the whole page index. Stores a fault in `state`. */
  endPageIndex(state: Float64Array): void
}
