/**
 * The beginning of the wal-index. The wal-index is the shared memory in which SQLite's connections
 * keep the state of the WAL. Only the wal-index shows reliably whether a transaction is committed.
 * The layout is described at https://www.sqlite.org/walformat.html#the_wal_index_header
 */
export interface WalIndex {
  /** Page size of the database in bytes. */
  readonly pageSize: number
  /** Number of committed frames in the WAL. */
  readonly frames: number
  /** Size of the database in pages after the last committed frame. */
  readonly commit: number
  /** Checksum of the last committed frame. */
  readonly checksum: readonly [number, number]
  readonly salt1: number
  readonly salt2: number
  /** Number of frames that checkpoints have copied into the database file. */
  readonly backfilled: number
  /**
   * Number of frames that a checkpoint has started to copy into the database file. The value is
   * greater than `backfilled` during a checkpoint, and after a checkpoint that did not finish.
   */
  readonly attempted: number
}

/** Number of bytes at the beginning of the wal-index that parseWalIndex reads. */
export const WAL_INDEX_SIZE = 136
const HEADER_SIZE = 48
const IS_INIT = 12
const BACKFILLED = 96
const ATTEMPTED = 128

/**
 * Parses the beginning of the wal-index. Returns undefined before SQLite has initialised the
 * wal-index. Also returns undefined while a writer changes the header, because the two copies of
 * the header then differ.
 */
export function parseWalIndex(bytes: Uint8Array): WalIndex | undefined {
  for (let i = 0; i < HEADER_SIZE; i++) if (bytes[i] !== bytes[HEADER_SIZE + i]) return undefined
  if (bytes[IS_INIT] === 0) return undefined
  // The wal-index has the byte order of the machine, but the salts have the byte order of the WAL
  // file.
  const view = new DataView(bytes.buffer, bytes.byteOffset, WAL_INDEX_SIZE)
  const little = littleEndian
  const pageSize = view.getUint16(14, little)
  return {
    pageSize: pageSize === 1 ? 65536 : pageSize,
    frames: view.getUint32(16, little),
    commit: view.getUint32(20, little),
    checksum: [view.getUint32(24, little), view.getUint32(28, little)],
    salt1: view.getUint32(32),
    salt2: view.getUint32(36),
    backfilled: view.getUint32(BACKFILLED, little),
    attempted: view.getUint32(ATTEMPTED, little),
  }
}

/** Whether two states of the wal-index are equal, apart from their numbers of backfilled frames. */
export function sameCommit(a: WalIndex, b: WalIndex): boolean {
  return (
    a.frames === b.frames &&
    a.salt1 === b.salt1 &&
    a.salt2 === b.salt2 &&
    a.checksum[0] === b.checksum[0] &&
    a.checksum[1] === b.checksum[1] &&
    a.commit === b.commit
  )
}

const littleEndian = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1
