import { z } from 'zod'
import { LitestreamError } from '../../../errors.js'
import { native } from '../../../native/addon.js'

/*
 * The buffer file: records, one after another. A record is 1 byte kind, 3 zero bytes, 4 bytes length, 8 bytes CRC-64 (GO-ISO, as in
 * LTX) of kind, length and content, then the content; numbers are big-endian. The first record is a HEADER; then come COMMITs in their
 * order, and an UPLOAD before each attempt to write the first of them to the store as one file.
 */
export const RECORD_HEADER = 1
export const RECORD_COMMIT = 2
export const RECORD_UPLOAD = 3
const HEAD = 16

/** No record may be longer: a length beyond it is damage. Bytes. */
const MAX_RECORD = 256 * 1024 * 1024

const header = z.object({
  format: z.literal('litestream-ts buffer 1'),
  /** Of the replica, without credentials. */
  url: z.string(),
  /** The TXID that the first commit follows on. */
  txid: z.number().int().nonnegative(),
})
export type BufferHeader = z.infer<typeof header>

const upload = z.object({
  txid: z.number().int().positive(),
  /** Milliseconds since the epoch. */
  timestamp: z.number(),
  /** Commits that the file holds. */
  count: z.number().int().positive(),
  /** Of the file, 16 hexadecimal digits. */
  checksum: z.string().regex(/^[0-9a-f]{16}$/),
  size: z.number().int().positive(),
})
export type BufferUpload = z.infer<typeof upload>

export interface BufferContent {
  readonly header: BufferHeader
  /** LTX files, oldest first. */
  readonly commits: readonly Uint8Array[]
  /** The last attempt; whether the store has it is to be found out. */
  readonly upload: BufferUpload | undefined
  /** Bytes up to the end of the last whole record; what follows is a record that was being written when the process died. */
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

/**
 * Reads a buffer file. A torn record at the end is left out: its commit was not acknowledged. Undefined for an empty file. Throws
 * BUFFER_DAMAGED for anything else that is not as it was written.
 */
export function decodeBuffer(bytes: Buffer, file: string): BufferContent | undefined {
  let at = 0
  let found: BufferHeader | undefined
  let last: BufferUpload | undefined
  const commits: Uint8Array[] = []
  while (at + HEAD <= bytes.length) {
    const length = bytes.readUInt32BE(at + 4)
    const end = at + HEAD + length
    if (length > MAX_RECORD) throw damaged(file, at, `a record of ${length} bytes`)
    if (end > bytes.length) break
    const record = bytes.subarray(at, end)
    if (record.readBigUInt64BE(8) !== crcOf(record)) {
      // Only the last record can be torn.
      if (end === bytes.length) break
      throw damaged(file, at, 'the checksum of a record is wrong')
    }
    const content = record.subarray(HEAD)
    const kind = record[0]
    if (!found !== (kind === RECORD_HEADER)) throw damaged(file, at, 'the first record is not a header')
    if (kind === RECORD_HEADER) found = parse(header, content, file, at)
    else if (kind === RECORD_UPLOAD) last = parse(upload, content, file, at)
    else if (kind === RECORD_COMMIT) commits.push(content)
    else throw damaged(file, at, `a record of kind ${kind}`)
    at = end
  }
  if (!found) {
    if (bytes.length === 0) return undefined
    throw damaged(file, 0, 'it has no header')
  }
  if (last && last.count > commits.length)
    throw damaged(file, at, `an upload of ${last.count} commits, of which ${commits.length} exist`)
  return { header: found, commits, upload: last, length: at }
}

function parse<T>(schema: z.ZodType<T>, content: Uint8Array, file: string, offset: number): T {
  try {
    return schema.parse(JSON.parse(Buffer.from(content).toString('utf8')))
  } catch (cause) {
    throw damaged(file, offset, 'a record is not what its kind says', cause)
  }
}

function damaged(file: string, offset: number, what: string, cause?: unknown): LitestreamError {
  return new LitestreamError('BUFFER_DAMAGED', `the write buffer ${file} is damaged at byte ${offset}: ${what}`, {
    file,
    offset,
    hint: `Run \`litestream-ts buffer show ${file}\`; export what can be read, then discard the buffer.`,
    ...(cause === undefined ? {} : { cause }),
  })
}
