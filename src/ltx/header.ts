import { LitestreamError } from '../errors.js'
import { corrupt } from './corrupt.js'
import { CHECKSUM_FLAG, FLAG_NO_CHECKSUM, HEADER_SIZE, isCommit, isPageSize, MAX_COMMIT } from './format.js'

/** The header of an LTX file, which is its first 100 bytes. */
export interface LtxHeader {
  /** If bit 1 is set, the file has no database checksums. */
  readonly flags: number
  /** Page size in bytes. */
  readonly pageSize: number
  /** Size of the database in pages after this file is applied. */
  readonly commit: number
  /** First TXID of the file. */
  readonly minTxid: number
  /** Last TXID of the file. */
  readonly maxTxid: number
  /** Timestamp of the file in milliseconds since the epoch. */
  readonly timestamp: number
  /**
   * Database checksum before the file is applied, or 0n in a snapshot and in a file without
   * database checksums.
   */
  readonly preApplyChecksum: bigint
  /** Offset in the WAL of the first frame, in bytes, or 0 if the pages do not come from a WAL. */
  readonly walOffset: number
  /** Total size in bytes of the WAL frames from which the file was made. */
  readonly walSize: number
  /** First salt in the header of the WAL from which the file was made. */
  readonly walSalt1: number
  /** Second salt in the header of the WAL from which the file was made. */
  readonly walSalt2: number
  /** A number that identifies the writer of the file, or 0 if the writer is unknown. */
  readonly nodeId: bigint
}

const MAGIC = 0x4c545831 // "LTX1"
/**
 * The first bytes of an age-encrypted file ("age-"). A primary with encryption writes such files.
 */
const AGE_MAGIC = 0x6167652d
const SQLITE_MAGIC = 0x53514c69 // "SQLi"
const RESERVED_OFFSET = 80
/** The latest time that a JavaScript Date can represent, in milliseconds since the epoch. */
const MAX_TIMESTAMP = 8.64e15

/**
 * Returns the first field of a header that violates the rules of the LTX format, and its offset.
 * Returns undefined for a valid header.
 */
function fault(h: LtxHeader): { what: string; offset: number } | undefined {
  if ((h.flags & ~FLAG_NO_CHECKSUM) !== 0) return { what: `unknown flags 0x${h.flags.toString(16)}`, offset: 4 }
  if (!isPageSize(h.pageSize)) return { what: `invalid page size ${h.pageSize}`, offset: 8 }
  if (!isCommit(h.commit)) {
    return { what: `invalid commit ${h.commit}, a database has 1 to ${MAX_COMMIT} pages`, offset: 12 }
  }
  if (!Number.isSafeInteger(h.minTxid) || h.minTxid < 1) return { what: `invalid min TXID ${h.minTxid}`, offset: 16 }
  if (!Number.isSafeInteger(h.maxTxid) || h.maxTxid < h.minTxid) {
    return { what: `max TXID ${h.maxTxid} is below min TXID ${h.minTxid}`, offset: 24 }
  }
  if (!Number.isSafeInteger(h.timestamp) || h.timestamp < 0 || h.timestamp > MAX_TIMESTAMP) {
    return { what: `invalid timestamp ${h.timestamp}, the latest is ${MAX_TIMESTAMP} ms`, offset: 32 }
  }
  const without = h.minTxid === 1 || (h.flags & FLAG_NO_CHECKSUM) !== 0
  if (without ? h.preApplyChecksum !== 0n : (h.preApplyChecksum & CHECKSUM_FLAG) === 0n) {
    return {
      what: `pre-apply checksum 0x${h.preApplyChecksum.toString(16)} does not match the flags and the min TXID`,
      offset: 40,
    }
  }
  if (!Number.isSafeInteger(h.walOffset) || h.walOffset < 0) {
    return { what: `invalid WAL offset ${h.walOffset}`, offset: 48 }
  }
  if (!Number.isSafeInteger(h.walSize) || h.walSize < 0 || (h.walOffset === 0 && h.walSize !== 0)) {
    return { what: `WAL size ${h.walSize} does not match WAL offset ${h.walOffset}`, offset: 56 }
  }
  if (h.walOffset === 0 && (h.walSalt1 !== 0 || h.walSalt2 !== 0))
    return { what: 'WAL salts without a WAL offset', offset: 64 }
  return undefined
}

/**
 * Encodes a header to a new buffer of 100 bytes. Throws INVALID_ARGUMENT if a field violates the
 * rules of the format.
 */
export function encodeHeader(h: LtxHeader): Uint8Array {
  const wrong = fault(h)
  if (wrong) throw new LitestreamError('INVALID_ARGUMENT', `cannot write an LTX header: ${wrong.what}`)
  const bytes = new Uint8Array(HEADER_SIZE)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, MAGIC)
  view.setUint32(4, h.flags)
  view.setUint32(8, h.pageSize)
  view.setUint32(12, h.commit)
  view.setBigUint64(16, BigInt(h.minTxid))
  view.setBigUint64(24, BigInt(h.maxTxid))
  view.setBigUint64(32, BigInt(h.timestamp))
  view.setBigUint64(40, h.preApplyChecksum)
  view.setBigUint64(48, BigInt(h.walOffset))
  view.setBigUint64(56, BigInt(h.walSize))
  view.setUint32(64, h.walSalt1)
  view.setUint32(68, h.walSalt2)
  view.setBigUint64(72, h.nodeId)
  return bytes
}

/**
 * Decodes and checks the header of `file` from its first 100 bytes. Throws LTX_CORRUPT for an
 * invalid header. Throws DECRYPTION_FAILED for an encrypted file.
 */
export function decodeHeader(bytes: Uint8Array, file: string): LtxHeader {
  if (bytes.length < HEADER_SIZE) {
    throw corrupt(`the file ends inside its header, after ${bytes.length} of ${HEADER_SIZE} bytes`, file, bytes.length)
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, HEADER_SIZE)
  const magic = view.getUint32(0)
  if (magic === AGE_MAGIC) {
    throw new LitestreamError('DECRYPTION_FAILED', `${file}: the file is encrypted with age`, {
      file,
      hint: 'Set `encryption.identities` or LITESTREAM_AGE_IDENTITIES to the identity of a recipient of the file.',
    })
  }
  if (magic === SQLITE_MAGIC) {
    throw new LitestreamError('LTX_CORRUPT', `${file}: an SQLite database, not an LTX file`, {
      file,
      offset: 0,
      hint: 'Name an LTX file: `litestream-ts ltx URL` lists the LTX files of a replica.',
    })
  }
  if (magic !== MAGIC) throw corrupt(`not an LTX file: its magic is 0x${magic.toString(16).padStart(8, '0')}`, file, 0)
  const safe = (offset: number, field: string) => {
    const value = view.getBigUint64(offset)
    if (value <= Number.MAX_SAFE_INTEGER) return Number(value)
    throw corrupt(`invalid ${field} ${value}, the largest is ${Number.MAX_SAFE_INTEGER}`, file, offset)
  }
  const header: LtxHeader = {
    flags: view.getUint32(4),
    pageSize: view.getUint32(8),
    commit: view.getUint32(12),
    minTxid: safe(16, 'min TXID'),
    maxTxid: safe(24, 'max TXID'),
    timestamp: safe(32, 'timestamp'),
    preApplyChecksum: view.getBigUint64(40),
    walOffset: safe(48, 'WAL offset'),
    walSize: safe(56, 'WAL size'),
    walSalt1: view.getUint32(64),
    walSalt2: view.getUint32(68),
    nodeId: view.getBigUint64(72),
  }
  const wrong = fault(header)
  if (wrong) throw corrupt(wrong.what, file, wrong.offset)
  for (let i = RESERVED_OFFSET; i < HEADER_SIZE; i++) {
    if (bytes[i] !== 0) throw corrupt('reserved bytes of the header are not zero', file, i)
  }
  return header
}
