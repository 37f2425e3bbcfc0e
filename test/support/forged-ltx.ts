import path from 'node:path'
import { formatFileName } from '../../src/ltx/file-name.js'
import { CHECKSUM_FLAG, FLAG_NO_CHECKSUM, HEADER_SIZE, maxFrameSize, PAGE_HEADER_SIZE } from '../../src/ltx/format.js'
import { native } from '../../src/native/addon.js'
import { putFile } from './put-file.js'

/** Fields of a header as they are stored, without any check of the values. */
export interface ForgedHeader {
  readonly flags?: number
  readonly pageSize?: number
  readonly commit?: number
  readonly minTxid?: bigint
  readonly maxTxid?: bigint
  readonly timestamp?: bigint
  readonly walOffset?: bigint
  readonly walSize?: bigint
}

export interface IndexEntry {
  readonly pgno: bigint
  readonly offset: bigint
  readonly size: bigint
}

export interface Forged extends ForgedHeader {
  /** The pages in the order in which they are stored: page number and bytes. */
  readonly pages: readonly (readonly [pgno: number, bytes: Uint8Array])[]
  /** The page index to store instead of the correct one. */
  readonly index?: (entries: readonly IndexEntry[]) => readonly IndexEntry[] | Uint8Array
  /** The length field of the page index. */
  readonly indexLength?: bigint
}

/**
 * An LTX file with correct checksums, whose other fields may be wrong in ways that no encoder of
 * this project produces.
 */
export function forgedLtx(forged: Forged): Buffer {
  const { pages, minTxid = 1n, maxTxid = minTxid } = forged
  const pageSize = pages[0]?.[1].length ?? 4096
  const header = new DataView(new ArrayBuffer(HEADER_SIZE))
  header.setUint32(0, 0x4c545831)
  header.setUint32(4, forged.flags ?? FLAG_NO_CHECKSUM)
  header.setUint32(8, forged.pageSize ?? pageSize)
  header.setUint32(12, forged.commit ?? Math.max(1, ...pages.map(([pgno]) => pgno)))
  header.setBigUint64(16, minTxid)
  header.setBigUint64(24, maxTxid)
  header.setBigUint64(32, forged.timestamp ?? BigInt(Date.now()))
  header.setBigUint64(48, forged.walOffset ?? 0n)
  header.setBigUint64(56, forged.walSize ?? 0n)
  const parts: Uint8Array[] = [new Uint8Array(header.buffer)]
  const crc = BigUint64Array.of(native.crc64(0n, parts[0]!))
  const entries: IndexEntry[] = []
  let offset = HEADER_SIZE
  for (const [pgno, bytes] of pages) {
    const out = new Uint8Array(maxFrameSize(bytes.length))
    const size = native.encodeFrames(crc, bytes.length, Uint32Array.of(pgno), bytes, out, new Uint32Array(1))
    entries.push({ pgno: BigInt(pgno), offset: BigInt(offset), size: BigInt(size) })
    parts.push(out.subarray(0, size))
    offset += size
  }
  const index = forged.index?.(entries) ?? entries
  const indexBytes = index instanceof Uint8Array ? index : encodeIndex(index)
  const length = Buffer.alloc(8)
  length.writeBigUInt64BE(forged.indexLength ?? BigInt(indexBytes.length))
  const rest = Buffer.concat([new Uint8Array(PAGE_HEADER_SIZE), indexBytes, length, new Uint8Array(8)])
  const checksum = Buffer.alloc(8)
  checksum.writeBigUInt64BE(native.crc64(crc[0]!, rest) | CHECKSUM_FLAG)
  return Buffer.concat([...parts, rest, checksum])
}

function encodeIndex(entries: readonly IndexEntry[]): Uint8Array {
  const numbers = entries.flatMap(({ pgno, offset, size }) => [pgno, offset, size])
  return Uint8Array.from([...numbers, 0n].flatMap(uvarint))
}

export function uvarint(n: bigint): number[] {
  const bytes: number[] = []
  let rest = n
  for (; rest >= 0x80n; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80)
  return [...bytes, Number(rest)]
}

/** Writes a file of a folder replica under the name of its TXIDs. */
export function putLtx(folder: string, level: number, minTxid: number, maxTxid: number, bytes: Uint8Array): string {
  const file = path.join(folder, 'ltx', String(level), formatFileName(minTxid, maxTxid))
  putFile(file, bytes)
  return file
}

/** The pages of a database file, as forgedLtx takes them. */
export function pagesOf(database: Uint8Array, pageSize = 4096): [number, Uint8Array][] {
  return Array.from({ length: database.length / pageSize }, (_, i) => [
    i + 1,
    database.subarray(i * pageSize, (i + 1) * pageSize),
  ])
}
