/** Functions of the addon that read files of a replica on threads of libuv's pool. */
export interface ListedFileNative {
  /**
   * Fills `out` with the bytes of a file from `offset` on. The file must be the listed one: a regular
   * file of `size` bytes with the modification time `modified`, in the milliseconds of
   * `Stats.mtimeMs`. Resolves with false if the file is another one or cannot be read. On Windows,
   * always resolves with false. Until the promise resolves, the caller must not change `out`.
   */
  readListedFile(path: string, size: number, modified: number, offset: number, out: Uint8Array): Promise<boolean>
}
