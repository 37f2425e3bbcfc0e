declare const stampsBrand: unique symbol
/**
 * The addon's list of watched database files with their metadata. Only the thread that created this
 * list may use it.
 */
export type NativeFileStamps = { readonly [stampsBrand]: true }

/** Functions of the addon that detect changes of files without opening the files. */
export interface FileStampsNative {
  createFileStamps(): NativeFileStamps
  /**
   * Remembers the metadata of a database file and of its WAL. Returns a number that identifies the
   * database file together with its WAL.
   */
  addFileStamps(stamps: NativeFileStamps, file: string): number
  /** Removes a number. Does nothing for an unknown number. */
  removeFileStamps(stamps: NativeFileStamps, number: number): void
  /**
   * Returns whether the database file or the WAL has changed since `addFileStamps`. Returns true
   * for an unknown number.
   */
  hasFileStampsChanged(stamps: NativeFileStamps, number: number): boolean
  /**
   * Returns the numbers of the databases whose database file or WAL was changed, created, replaced
   * or removed since `addFileStamps`. Calls stat(2) twice for each number.
   */
  changedFileStamps(stamps: NativeFileStamps): number[]
}
