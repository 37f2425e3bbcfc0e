/** The addon's k-way merge of page frames; see native/ltx/frame_merger.h. One caller at a time. */
export interface FrameMerger {
  /**
   * Merges until it needs input or output space. `bytes` has the unread bytes of each input. Sets
   * `result` to [bytes written to out, input concerned, fault, missing page; then input, offset and
   * size of a run, with which the output continues after the bytes written, inside the bytes of
   * that input; then the bytes consumed of each input]. Returns one of `constants.merge`.
   */
  step(bytes: readonly Uint8Array[], out: Uint8Array, result: Float64Array): number
  /**
   * State of an input: CRC and offset after its last frame, CRC and size of the page index that it
   * must have, its next page.
   */
  input(i: number): MergedInput
  /** CRC after the output's last frame, and its page index without the final 0. */
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
