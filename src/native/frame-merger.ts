/**
 * The addon's k-way merge of page frames (native/ltx/frame_merger.h). Only one caller may use a
 * merger at a time.
 */
export interface FrameMerger {
  /**
   * Merges until the merger needs more input or more output space. `bytes` contains the unread
   * bytes of each input. Stores the numbers of the step in `result`. The first four numbers in
   * `result` are the number of bytes written to `out`, the input that the status is about, the
   * fault, and the missing page. The next three numbers in `result` are the input, the offset and
   * the size of a run, which is a range of an input's bytes that follows the written bytes in the
   * output. The remaining numbers in `result` are the numbers of bytes consumed from each input.
   * Returns one of `constants.merge`.
   */
  step(bytes: readonly Uint8Array[], out: Uint8Array, result: Float64Array): number
  /**
   * Returns the CRC and the offset after the last frame of an input, the CRC and the size of its
   * expected page index, and its next page.
   */
  input(i: number): MergedInput
  /**
   * Returns the CRC after the last frame of the output, and the page index of the output without
   * the final 0.
   */
  output(): { readonly crc: bigint; readonly frames: number; readonly index: Uint8Array }
}

export interface MergedInput {
  readonly crc: bigint
  readonly offset: number
  readonly indexCrc: bigint
  readonly indexSize: number
  readonly frames: number
  readonly pgno: number
}

export interface FrameMergerNative {
  readonly FrameMerger: new (
    pageSize: number,
    commit: number,
    snapshot: boolean,
    crc: bigint,
    offset: number,
    inputs: readonly { commit: number; snapshot: boolean; crc: bigint; offset: number }[],
  ) => FrameMerger
}
