/**
 * The start of the wal-index, the shared memory in which SQLite's connections keep the state of the
 * WAL. The wal-index is the only reliable source for whether a transaction was committed. Layout:
 * https://www.sqlite.org/walformat.html#the_wal_index_header
 */
export interface WalIndex {
  /** Page size of the database in bytes. */
  readonly pageSize: number
  /** Committed frames in the WAL. */
  readonly frames: number
  /** Size of the database in pages after the last committed frame. */
  readonly commit: number
  /** Checksum of the last committed frame. */
  readonly checksum: readonly [number, number]
  readonly salt1: number
  readonly salt2: number
  /** Number of frames that were copied into the database file. */
  readonly backfilled: number
  /**
   * Number of frames that a checkpoint has started to copy; greater than `backfilled` during a checkpoint,
   * and after one that did not finish.
   */
  readonly attempted: number
}

/** Number of bytes that parseWalIndex reads. */
export const WAL_INDEX_SIZE = 136
const HEADER_SIZE = 48
const IS_INIT = 12
const BACKFILLED = 96
const ATTEMPTED = 128

/**
 * Undefined while a writer changes the wal-index (the two copies of its header differ), or before
 * it is initialised.
 */
export function parseWalIndex(bytes: Uint8Array): WalIndex | undefined {
  for (let i = 0; i < HEADER_SIZE; i++) if (bytes[i] !== bytes[HEADER_SIZE + i]) return undefined
  if (bytes[IS_INIT] === 0) return undefined
  // In the byte order of the machine, except the salts, which are stored as in the file.
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

/** Whether two states are equal except for the backfilled frames. */
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
