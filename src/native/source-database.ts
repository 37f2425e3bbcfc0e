declare const sourceBrand: unique symbol
/** A better-sqlite3 connection as the addon knows it; valid on the connection's thread, inert once it is closed. */
export type NativeSource = { readonly [sourceBrand]: true }

/** The name of the addon's entry point that makes a connection a source. */
export const SOURCE_ENTRY_POINT = 'litestream_source_init'

/** The addon's view of the database that is being replicated, through SQLite's own file handles. */
export interface SourceDatabaseNative {
  /** The connection that loaded the addon with SOURCE_ENTRY_POINT last, on this thread. To be called right after. */
  takeSource(): NativeSource | undefined
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
}
