/** The addon's k-way merge of page frames; see native/ltx/frame_merger.h. One caller at a time. */
export interface FrameMerger {
  /**
   * Merges until it needs input or output space. `bytes` has the unread bytes of each input. Sets
   * `result` to [bytes written to out, input concerned, fault, missing page, then the bytes
   * consumed of each input]. Returns a MERGE_* code.
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

export const MERGE_DONE = 0
export const MERGE_OUTPUT_FULL = 1
export const MERGE_NEED_INPUT = 2
export const MERGE_FAULT = 3
export const MERGE_INCOMPLETE = 4

export const MERGE_FAULTS: Readonly<Record<number, string>> = {
  2: 'bad page header',
  3: 'the page does not decompress to one page',
  10: 'page numbers do not ascend',
  11: 'it contains the lock page',
  12: 'a page beyond the end of the database',
  13: 'a page of a snapshot is missing',
}
