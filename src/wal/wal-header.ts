import { LitestreamError } from '../errors.js'
import { isPageSize } from '../ltx/format.js'
import { native } from '../native/addon.js'

/** Size of the header of a -wal file in bytes. */
export const WAL_HEADER_SIZE = 32
/** Size of the header of a frame in a -wal file, in bytes. */
export const FRAME_HEADER_SIZE = 24

const MAGIC_LITTLE_ENDIAN = 0x377f0682
const MAGIC_BIG_ENDIAN = 0x377f0683
const VERSION = 3007000

/**
 * The header of a -wal file. The WAL header identifies one generation of the WAL. A generation
 * lasts from one restart of the WAL to the next.
 */
export interface WalHeader {
  /** Whether SQLite computes checksums from big-endian words in this WAL. */
  readonly bigEndian: boolean
  readonly pageSize: number
  /** Number of times that SQLite has restarted this WAL. */
  readonly checkpointSequence: number
  /** First salt. The first salt grows by one with each restart of the WAL. */
  readonly salt1: number
  /** Second salt. The second salt is random in each generation of the WAL. */
  readonly salt2: number
  /** Checksum of the header. The checksum of the first frame continues from this checksum. */
  readonly checksum: readonly [number, number]
}

/**
 * Parses the header of a WAL. Returns undefined if SQLite itself would ignore the header, because
 * the header has fewer than 32 bytes or a wrong checksum. Throws WAL_CORRUPT if the file is not a
 * WAL.
 */
export function parseWalHeader(bytes: Uint8Array, file: string): WalHeader | undefined {
  if (bytes.length < WAL_HEADER_SIZE) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, WAL_HEADER_SIZE)
  const magic = view.getUint32(0)
  const version = view.getUint32(4)
  const pageSize = view.getUint32(8)
  const hint = 'Find the program that wrote this file, and open the database with SQLite once, which recovers the WAL.'
  if (magic !== MAGIC_LITTLE_ENDIAN && magic !== MAGIC_BIG_ENDIAN) {
    const message = `${file}: not a WAL file, its magic is 0x${magic.toString(16).padStart(8, '0')}`
    throw new LitestreamError('WAL_CORRUPT', message, { file, offset: 0, hint })
  }
  if (version !== VERSION) {
    throw new LitestreamError('WAL_CORRUPT', `${file}: unknown WAL version ${version}`, { file, offset: 4, hint })
  }
  if (!isPageSize(pageSize)) {
    throw new LitestreamError('WAL_CORRUPT', `${file}: invalid page size ${pageSize}`, { file, offset: 8, hint })
  }
  const sum = new Uint32Array(2)
  native.walChecksum(magic === MAGIC_BIG_ENDIAN, bytes.subarray(0, 24), sum)
  if (sum[0] !== view.getUint32(24) || sum[1] !== view.getUint32(28)) return undefined
  return {
    bigEndian: magic === MAGIC_BIG_ENDIAN,
    pageSize,
    checkpointSequence: view.getUint32(12),
    salt1: view.getUint32(16),
    salt2: view.getUint32(20),
    checksum: [sum[0]!, sum[1]!],
  }
}

/** Returns the size in bytes of a WAL with `frames` frames. */
export function walSize(frames: number, pageSize: number): number {
  return WAL_HEADER_SIZE + frames * (FRAME_HEADER_SIZE + pageSize)
}
