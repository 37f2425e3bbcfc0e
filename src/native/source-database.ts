declare const sourceBrand: unique symbol
/** A driver's connection as the addon knows it; valid on the connection's thread, inert once it is closed. */
export type NativeSource = { readonly [sourceBrand]: true }

/** The addon's view of the database that is being replicated, through SQLite's own file handles. */
export interface SourceDatabaseNative {
  /** The next connection that loads the addon as an extension, on this thread, becomes a source. */
  expectSource(): void
  /** The connection that loaded the addon since expectSource(), on this thread; undefined if none did. Ends the expectation. */
  takeSource(): NativeSource | undefined
  /** False while the connection is inside a transaction. */
  sourceAutocommit(source: NativeSource): boolean
  /** Copies the first `out.length` bytes of the wal-index; false while there is none (nothing was read yet). May be torn. */
  sourceWalIndex(source: NativeSource, out: Uint8Array): boolean
  /**
   * Whether another process holds a lock on the byte at `offset` of the open file `fd`: its pid, -1 if that process is not visible
   * from here, as one in another container, 0 if none does. No lock changes.
   */
  lockHolder(fd: number, offset: number): number
  /** Fills `out` from the database file, without the WAL; zeros beyond its end. Returns an SQLite result code. */
  sourceRead(source: NativeSource, offset: number, out: Uint8Array): number
  /**
   * Takes SQLite's exclusive lock of the database file. Returns an SQLite result code: SQLITE_BUSY while another connection, of this
   * or another process, has a lock. Nothing may be read through the connection.
   */
  sourceLock(source: NativeSource): number
  sourceUnlock(source: NativeSource): void
  /** A number with which any thread can interrupt the connection until it is closed. */
  sourceInterrupter(source: NativeSource): number
  /** Ends the statements that run on a connection now, with SQLITE_INTERRUPT; nothing if it is closed or none runs. Any thread. */
  interruptSource(interrupter: number): void
}
