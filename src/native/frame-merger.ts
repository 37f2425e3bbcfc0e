/**
 * The addon's k-way merge of page frames (native/ltx/frame_merger.h). Only one caller may use a
 * merger at a time.
 */
export interface FrameMerger {
  /**
   * Merges until the merger needs more input or more output space. `bytes` contains the unread
   * bytes of each input. Returns one of `constants.merge`, and stores numbers in `result`. The
   * first four numbers in `result` are the number of bytes written to `out`, the input to which the
   * return value refers, the fault, and the missing page. The next three numbers in `result` are
   * the input, the offset and the size of a run. A run is a range of an input's bytes that must
   * follow the written bytes in the output. The remaining numbers in `result` are the numbers of
   * bytes that were consumed from each input.
   */
  step(bytes: readonly Uint8Array[], out: Uint8Array, result: Float64Array): number
  /**
   * Returns the CRC and the offset after an input's last frame, the CRC and the size of the input's
   * expected page index, and the input's next page.
   */
  input(i: number): MergedInput
  /**
   * Returns the CRC after the last frame of the output. Also returns the page index of the output,
   * but without the final 0.
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
