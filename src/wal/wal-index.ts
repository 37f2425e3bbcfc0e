/**
 * The start of the wal-index, the shared memory in which SQLite's connections agree on the state of the WAL: the one place that
 * says without doubt whether anything was committed. Layout: https://www.sqlite.org/walformat.html#the_wal_index_header
 */
export interface WalIndex {
  /** Page size of the database in bytes. */
  readonly pageSize: number
  /** Committed frames in the WAL. */
  readonly frames: number
  /** Size of the database in pages after the last of them. */
  readonly commit: number
  /** Checksum of the last of them. */
  readonly checksum: readonly [number, number]
  readonly salt1: number
  readonly salt2: number
  /** How many of the frames have been copied into the database file. */
  readonly backfilled: number
  /** How many a checkpoint has begun to copy; greater than `backfilled` while one runs, and after one that did not end. */
  readonly attempted: number
}

/** Bytes that parseWalIndex reads. */
export const WAL_INDEX_SIZE = 136
const HEADER_SIZE = 48
const IS_INIT = 12
const BACKFILLED = 96
const ATTEMPTED = 128

/** Undefined while a writer is at it (the two copies of the header differ), or before it is initialised. */
export function parseWalIndex(bytes: Uint8Array): WalIndex | undefined {
  for (let i = 0; i < HEADER_SIZE; i++) if (bytes[i] !== bytes[HEADER_SIZE + i]) return undefined
  if (bytes[IS_INIT] === 0) return undefined
  // In the byte order of the machine, but for the salts, which stand as in the file.
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

/** Whether two states are the same but for what was backfilled. */
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
