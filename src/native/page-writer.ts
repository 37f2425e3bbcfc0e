/** The addon's function for writing pages of a database file. */
export interface PageWriterNative {
  /**
   * Writes the pages whose entry in `wanted` is not 0, on another thread. Resolves to 0 or an
   * errno; until then the file must stay open and the arrays must not change.
   */
  writePages(fd: number, pageSize: number, pgnos: Uint32Array, pages: Uint8Array, wanted: Uint8Array): Promise<number>
}
