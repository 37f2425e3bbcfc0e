declare const stampsBrand: unique symbol
/** The metadata of watched database files in the addon; used on the thread that created it. */
export type NativeFileStamps = { readonly [stampsBrand]: true }

/** The addon's functions that detect changes of files without opening them. */
export interface FileStampsNative {
  createFileStamps(): NativeFileStamps
  /** Remembers the state of the file at a path and of its -wal. Returns a number for both. */
  addFileStamps(stamps: NativeFileStamps, file: string): number
  /** No effect for a number that is not known. */
  removeFileStamps(stamps: NativeFileStamps, number: number): void
  /** Whether one of the files has changed since they were added. True for an unknown number. */
  hasFileStampsChanged(stamps: NativeFileStamps, number: number): boolean
  /**
   * The numbers of which one of the files was changed, created, replaced or removed since they were
   * added. Two calls of stat for each number.
   */
  changedFileStamps(stamps: NativeFileStamps): number[]
}
