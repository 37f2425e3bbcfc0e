import { isLitestreamError, LitestreamError } from '../../../errors.js'
import { native } from '../../../native/addon.js'
import {
  type JsonShape,
  literal,
  number,
  optional,
  record,
  type Shaped,
  text,
  where,
  whole,
} from '../../../util/json-shape.js'

/*
 * A write buffer is a file with a sequence of records. A record begins with 1 byte for its kind, 3
 * zero bytes, 4 bytes for the length of its content, and 8 bytes for a CRC-64 (GO-ISO, as in LTX)
 * of the kind, the length and the content. The content of the record follows. All numbers in a
 * write buffer are big-endian. The first record of a write buffer is a HEADER. COMMIT records
 * follow the HEADER in order. An UPLOAD record precedes each attempt to write the first commits to
 * the store as one file.
 */
const RECORD_HEADER = 1
export const RECORD_COMMIT = 2
const RECORD_UPLOAD = 3
const HEAD = 16

/** Maximum length of a record in bytes. A record that is longer than this maximum is damaged. */
const MAX_RECORD = 256 * 1024 * 1024

const header = record({
  format: literal('litestream-ts buffer 1'),
  /** URL of the replica. The URL contains no credentials. */
  url: text,
  /** The TXID that the first commit follows. */
  txid: whole(0),
  /**
   * Time in the header of the newest file at `txid`, in milliseconds since the epoch. After a reset
   * of the replica, the same TXID has another time. Write buffers of early versions lack
   * `timestamp`.
   */
  timestamp: optional(number),
})
export type BufferHeader = Shaped<typeof header>

const hex64 = where(text, (value) => /^[0-9a-f]{16}$/.test(value), '16 hexadecimal digits')

const upload = record({
  txid: whole(1),
  /** Time in the header of the uploaded file, in milliseconds since the epoch. */
  timestamp: number,
  /** Number of commits in the uploaded file. */
  count: whole(1),
  /** Checksum of the uploaded file, as 16 hexadecimal digits. */
  checksum: hex64,
  size: whole(1),
  /**
   * The node ID in the header of the uploaded file (commit-file.ts), as 16 hexadecimal digits. If
   * `nodeId` is absent, the node ID is 0.
   */
  nodeId: optional(hex64),
})
export type BufferUpload = Shaped<typeof upload>

export interface BufferContent {
  readonly header: BufferHeader
  /** The LTX files of the commits, oldest first. */
  readonly commits: readonly Uint8Array[]
  /** The last attempt to upload commits. The outcome of this attempt is unknown. */
  readonly upload: BufferUpload | undefined
  /**
   * Number of bytes up to the end of the last complete record. After a crash, an incomplete record
   * may follow the last complete record.
   */
  readonly length: number
}

export function encodeRecord(kind: number, content: Uint8Array): Buffer {
  const record = Buffer.alloc(HEAD + content.length)
  record[0] = kind
  record.writeUInt32BE(content.length, 4)
  record.set(content, HEAD)
  record.writeBigUInt64BE(crcOf(record), 8)
  return record
}

export function encodeHeaderRecord(content: Omit<BufferHeader, 'format'>): Buffer {
  return encodeRecord(RECORD_HEADER, Buffer.from(JSON.stringify({ format: 'litestream-ts buffer 1', ...content })))
}

export function encodeUploadRecord(content: BufferUpload): Buffer {
  return encodeRecord(RECORD_UPLOAD, Buffer.from(JSON.stringify(content)))
}

function crcOf(record: Buffer): bigint {
  return native.crc64(native.crc64(0n, record.subarray(0, 8)), record.subarray(HEAD))
}

/** The readable part of a write buffer, and the first fault in the write buffer. */
export interface BufferReading {
  /** The records before the damage, or undefined if the header of the write buffer is missing. */
  readonly content: BufferContent | undefined
  /**
   * The error BUFFER_DAMAGED with the offset of the damage, or undefined if the write buffer is
   * undamaged.
   */
  readonly damage: LitestreamError | undefined
}

/**
 * Decodes a write buffer. Ignores an incomplete record at the end, because its commit was never
 * acknowledged. Returns undefined for an empty file. Throws BUFFER_DAMAGED for any other fault.
 */
export function decodeBuffer(bytes: Buffer, file: string): BufferContent | undefined {
  const { content, damage } = readBuffer(bytes, file)
  if (damage) throw damage
  return content
}

/**
 * Decodes a write buffer, even if it is damaged. If the write buffer is damaged, the result
 * contains all commits before the damage.
 */
export function readBuffer(bytes: Buffer, file: string): BufferReading {
  const records = new Records()
  try {
    records.read(bytes, file)
    return { content: records.content, damage: undefined }
  } catch (error) {
    if (!isLitestreamError(error, 'BUFFER_DAMAGED')) throw error
    return { content: records.content, damage: error }
  }
}

class Records {
  #header: BufferHeader | undefined
  #upload: BufferUpload | undefined
  readonly #commits: Uint8Array[] = []
  #length = 0

  get content(): BufferContent | undefined {
    if (!this.#header) return undefined
    return { header: this.#header, commits: this.#commits, upload: this.#upload, length: this.#length }
  }

  read(bytes: Buffer, file: string): void {
    for (let record = recordAt(bytes, 0, file); record; record = recordAt(bytes, this.#length, file)) {
      this.#take(record, file)
      this.#length += record.length
    }
    if (!this.#header && bytes.length > 0) throw damaged(file, 0, 'the file has no header')
  }

  #take(record: Buffer, file: string): void {
    const at = this.#length
    const content = record.subarray(HEAD)
    const kind = record[0]
    if (!this.#header !== (kind === RECORD_HEADER)) throw damaged(file, at, 'the first record is not a header')
    if (kind === RECORD_HEADER) this.#header = parse(header, content, file, at)
    else if (kind === RECORD_COMMIT) this.#commits.push(content)
    else if (kind === RECORD_UPLOAD) this.#upload = this.#uploadOf(content, file)
    else throw damaged(file, at, `a record has the unknown kind ${kind}`)
  }

  #uploadOf(content: Uint8Array, file: string): BufferUpload {
    const found = parse(upload, content, file, this.#length)
    const { length } = this.#commits
    if (found.count <= length) return found
    throw damaged(
      file,
      this.#length,
      `an upload record names ${found.count} commits, but the buffer has ${length} commits`,
    )
  }
}

/**
 * Returns the record of a write buffer at an offset. Returns undefined at the end of the write
 * buffer, and for a record that was incomplete when the process died.
 */
function recordAt(bytes: Buffer, at: number, file: string): Buffer | undefined {
  if (at + HEAD > bytes.length) return undefined
  const length = bytes.readUInt32BE(at + 4)
  if (length > MAX_RECORD) throw damaged(file, at, `a record has ${length} bytes, more than ${MAX_RECORD}`)
  const record = wholeRecord(bytes, at)
  if (record) return record
  // Only the last record can be incomplete, because no record follows it.
  if (at + HEAD + length < bytes.length) throw damaged(file, at, 'the checksum of a record is wrong')
  const next = nextRecord(bytes, at + 1)
  if (next === undefined) return undefined
  throw damaged(file, at, `the length of a record is wrong: the next record begins at byte ${next}`)
}

/**
 * Returns the record at an offset, or undefined if the record is incomplete or has a wrong
 * checksum.
 */
function wholeRecord(bytes: Buffer, at: number): Buffer | undefined {
  const end = at + HEAD + bytes.readUInt32BE(at + 4)
  if (end > bytes.length) return undefined
  const record = bytes.subarray(at, end)
  return record.readBigUInt64BE(8) === crcOf(record) ? record : undefined
}

/** Returns the offset of the first COMMIT or UPLOAD record at or after `from`. */
function nextRecord(bytes: Buffer, from: number): number | undefined {
  for (let at = from; at + HEAD <= bytes.length; at++) {
    const looksLikeOne =
      (bytes[at] === RECORD_COMMIT || bytes[at] === RECORD_UPLOAD) && bytes.readUIntBE(at + 1, 3) === 0
    if (looksLikeOne && wholeRecord(bytes, at)) return at
  }
  return undefined
}

function parse<T>(shape: JsonShape<T>, content: Uint8Array, file: string, offset: number): T {
  try {
    return shape(JSON.parse(Buffer.from(content).toString('utf8')))
  } catch (cause) {
    throw damaged(file, offset, 'the contents of a record do not match its kind', cause)
  }
}

function damaged(file: string, offset: number, what: string, cause?: unknown): LitestreamError {
  return new LitestreamError('BUFFER_DAMAGED', `the write buffer ${file} is damaged at byte ${offset}: ${what}`, {
    file,
    offset,
    hint: `Run \`litestream-ts buffer show ${file}\`, export the readable commits (-partial), then discard the buffer.`,
    ...(cause === undefined ? {} : { cause }),
  })
}
