declare const sourceBrand: unique symbol
/**
 * A driver's connection in the addon; valid on the connection's thread, without effect after the
 * connection is closed.
 */
export type NativeSource = { readonly [sourceBrand]: true }

/** The addon's functions for the replicated database, which use SQLite's own file handles. */
export interface SourceDatabaseNative {
  /** The next connection that loads the addon as an extension, on this thread, becomes a source. */
  expectSource(): void
  /**
   * The connection that loaded the addon since expectSource(), on this thread; undefined if none
   * did. Resets expectSource().
   */
  takeSource(): NativeSource | undefined
  /** False while the connection is inside a transaction. */
  sourceAutocommit(source: NativeSource): boolean
  /**
   * Copies the first `out.length` bytes of the wal-index; false while none exists (nothing was read
   * yet). The copy may be torn.
   */
  sourceWalIndex(source: NativeSource, out: Uint8Array): boolean
  /**
   * The pid of another process that holds a lock on the byte at `offset` of the open file `fd`; -1
   * if that process is not visible from here, for example in another container; 0 if no process
   * holds one. Changes no lock.
   */
  lockHolder(fd: number, offset: number): number
  /**
   * The descriptor nearest to `near` that refers to a file with this inode number; -1 if none of the
   * 4096 on each side does, and on Windows.
   */
  nearestDescriptor(inode: bigint, near: number): number
  /**
   * Fills `out` from the database file, without the WAL; bytes beyond its end are zeros. Returns an
   * SQLite result code.
   */
  sourceRead(source: NativeSource, offset: number, out: Uint8Array): number
  /**
   * A passive checkpoint on the thread pool. The connection must not be used or closed before the
   * promise is settled. Resolves with an SQLite result code; never rejects.
   */
  sourceCheckpoint(source: NativeSource): Promise<number>
  /**
   * Takes SQLite's exclusive lock of the database file. Returns an SQLite result code: SQLITE_BUSY
   * while another connection, in this or another process, holds a lock. The connection must not
   * read anything meanwhile.
   */
  sourceLock(source: NativeSource): number
  sourceUnlock(source: NativeSource): void
  /** A number with which any thread can interrupt the connection until it is closed. */
  sourceInterrupter(source: NativeSource): number
  /**
   * Interrupts the statements running on a connection with SQLITE_INTERRUPT; no effect if it is
   * closed or idle. Any thread.
   */
  interruptSource(interrupter: number): void
}
