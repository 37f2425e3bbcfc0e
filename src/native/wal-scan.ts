/** The addon's functions for WAL frames: whole buffers of frames per call. */
export interface WalScanNative {
  /**
   * Continues SQLite's WAL checksum `sum` (two words) over `data`, whose length is a multiple of 8.
   */
  walChecksum(bigEndian: boolean, data: Uint8Array, sum: Uint32Array): void

  /**
   * Checks consecutive frames until one has other salts or its checksum does not continue `sum`.
   * Stores the page numbers and commit sizes (0: not the last frame of a transaction) of the valid
   * frames, at most `pgnos.length`, and advances `sum` over them. Returns the number of valid
   * frames.
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
   * Finds, among the first `count` frames, the last frame of each page that is at most `commit` and
   * not `lockPgno`: ascending page numbers into `outPgnos`, ordinals of the frames into
   * `outFrames`. Returns their number.
   */
  newestFrames(
    pgnos: Uint32Array,
    count: number,
    commit: number,
    lockPgno: number,
    outPgnos: Uint32Array,
    outFrames: Uint32Array,
  ): number

  /**
   * Reads `size` bytes at each offset into `out`, in order. Returns the number of complete pieces,
   * or a negative errno.
   */
  readPieces(fd: number, offsets: Float64Array, size: number, out: Uint8Array): number
}
