declare const sourceBrand: unique symbol
/**
 * The addon's handle of a driver's connection. The handle must be used on the thread of the
 * connection. After the connection was closed, the functions that take the handle do nothing.
 */
export type NativeSource = { readonly [sourceBrand]: true }

/**
 * Functions of the addon for the replicated database, which use the file handles of the SQLite
 * connection.
 */
export interface SourceDatabaseNative {
  /**
   * The next connection on this thread that loads the addon as an extension becomes a source
   * connection.
   */
  expectSource(): void
  /**
   * Returns the connection on this thread that loaded the addon after expectSource(). Returns
   * undefined if no connection on this thread has loaded the addon. Cancels expectSource().
   */
  takeSource(): NativeSource | undefined
  /** Returns false while the connection is inside a transaction. */
  sourceAutocommit(source: NativeSource): boolean
  /**
   * Copies the first `out.length` bytes of the wal-index. Returns false if the connection has no
   * wal-index yet, because the connection has not read the database. Another process may change the
   * wal-index during the copy, so the copy may be inconsistent.
   */
  sourceWalIndex(source: NativeSource, out: Uint8Array): boolean
  /**
   * Returns the process ID of another process that holds a lock on the byte at `offset` of the open
   * file `fd`. Returns -1 if another process holds a lock but is not visible to this process, for
   * example because it runs in another container. Returns 0 if no other process holds a lock. Does
   * not change any lock.
   */
  lockHolder(fd: number, offset: number): number
  /**
   * Returns the file descriptor nearest to `near` that refers to a file with this inode number.
   * Searches the 4096 descriptors below `near` and the 4096 descriptors above `near`. Returns -1 if
   * no searched descriptor refers to a file with this inode number. Always returns -1 on Windows.
   */
  nearestDescriptor(inode: bigint, near: number): number
  /**
   * Fills `out` with bytes of the database file. Changes in the WAL are not applied. Bytes beyond
   * the end of the file are zeros. Returns an SQLite result code.
   */
  sourceRead(source: NativeSource, offset: number, out: Uint8Array): number
  /**
   * Runs a passive checkpoint on a thread of libuv's pool. The connection must not be used or
   * closed before the promise resolves. Resolves with an SQLite result code, and never rejects.
   */
  sourceCheckpoint(source: NativeSource): Promise<number>
  /**
   * Takes SQLite's exclusive lock on the database file. Returns an SQLite result code. The result
   * code is SQLITE_BUSY if another connection, of this process or of another process, holds a lock.
   * The connection must not read the database before sourceUnlock().
   */
  sourceLock(source: NativeSource): number
  sourceUnlock(source: NativeSource): void
  /**
   * Returns a number with which any thread can interrupt the connection. The number is valid until
   * the connection is closed.
   */
  sourceInterrupter(source: NativeSource): number
  /**
   * Interrupts the running statements of a connection, which fail with SQLITE_INTERRUPT. Has no
   * effect if the connection is closed or idle. Any thread may call interruptSource.
   */
  interruptSource(interrupter: number): void
}
