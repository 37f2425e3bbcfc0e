/** The addon's WAL part: frame checksums and salts, whole buffers of frames a call. */
export interface WalScanNative {
  /** Continues SQLite's WAL checksum `sum` (two words) over `data`, whose length is a multiple of 8. */
  walChecksum(bigEndian: boolean, data: Uint8Array, sum: Uint32Array): void

  /**
   * Checks the frames that stand one after another in `frames` until one does not bear the salts or its checksum does not
   * continue `sum`. Fills page numbers and commit sizes (0: not the last frame of a transaction) of the valid ones, at most as
   * many as `pgnos` has room for, and advances `sum` over them. Returns how many are valid.
   */
  scanFrames(
    frames: Uint8Array,
    pageSize: number,
    bigEndian: boolean,
    salt1: number,
    salt2: number,
    sum: Uint32Array,
    pgnos: Uint32Array,
    commits: Uint32Array,
  ): number

  /**
   * Of the first `count` frames, whose page numbers are given, the last of each page that is at most `commit` and not `lockPgno`:
   * ascending page numbers into `outPgnos`, the frames' ordinals into `outFrames`. Returns how many.
   */
  newestFrames(
    pgnos: Uint32Array,
    count: number,
    commit: number,
    lockPgno: number,
    outPgnos: Uint32Array,
    outFrames: Uint32Array,
  ): number

  /** Reads `size` bytes at each offset into `out`, in order. Returns how many whole pieces there were, or a negative errno. */
  readPieces(fd: number, offsets: Float64Array, size: number, out: Uint8Array): number
}
