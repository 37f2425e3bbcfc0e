import { LRUCache } from 'lru-cache'
import { isLitestreamError, LitestreamError } from '../../errors.js'
import { corrupt } from '../../ltx/corrupt.js'
import { fileLabel } from '../../ltx/file-label.js'
import { ForwardingClient } from '../forwarding-client.js'
import { relativeName } from '../keys.js'
import type {
  ByteRange,
  ListOptions,
  LtxFileInfo,
  LtxFileRef,
  ReadOptions,
  ReadResult,
  ReplicaClient,
  RequestOptions,
  WriteOptions,
} from '../replica-client.js'
import { type AgeHeaders, PREAMBLE } from './header.js'
import { CHUNK, openChunk, openedSize, SEALED_CHUNK, sealChunk, sealedSize } from './payload.js'

/** Maximum number of file keys in memory. A key takes about 200 bytes. */
const MAX_KEYS = 20_000

/**
 * A client of a replica whose files are encrypted in the store. Callers see the names of the files,
 * and the sizes and byte ranges of the decrypted content. The client verifies the authentication
 * tag of every chunk that it reads. The client throws LTX_CORRUPT for a damaged chunk, and
 * DECRYPTION_FAILED for a file that no identity can decrypt. The lease and the writer record are
 * not encrypted.
 */
export class EncryptedClient extends ForwardingClient {
  private readonly files: EncryptedFiles

  constructor(client: ReplicaClient, headers: AgeHeaders) {
    super(client)
    this.files = new EncryptedFiles(client, headers)
  }

  override list(level: number, options?: ListOptions): AsyncIterable<LtxFileInfo> {
    return plainInfos(this.inner.list(level, options))
  }

  override get listUpwards(): ReplicaClient['listUpwards'] {
    const listUpwards = super.listUpwards
    return listUpwards && ((level, options) => plainInfos(listUpwards(level, options)))
  }

  override async stat(file: LtxFileRef, options?: RequestOptions): Promise<LtxFileInfo> {
    return plainInfo(await this.inner.stat(storedRef(file), options))
  }

  override read(file: LtxFileRef, range: ByteRange, options?: ReadOptions): Promise<ReadResult> {
    return this.files.read(file, range, options)
  }

  override stream(
    file: LtxFileRef,
    options?: RequestOptions & { readonly offset?: number },
  ): AsyncIterable<Uint8Array> {
    return this.files.stream(file, options)
  }

  override write(
    file: LtxFileRef,
    body: Uint8Array | AsyncIterable<Uint8Array>,
    options: WriteOptions,
  ): Promise<LtxFileInfo> {
    return this.files.write(file, body, options)
  }

  override delete(files: readonly LtxFileRef[], options?: RequestOptions): Promise<void> {
    return this.inner.delete(files.map(storedRef), options)
  }
}

function plainInfo(info: LtxFileInfo): LtxFileInfo {
  // If no encrypted file can have the size, the size stays unchanged. A read of a file with an
  // impossible size throws an error that explains the size.
  return { ...info, size: openedSize(info.size - PREAMBLE) ?? info.size }
}

async function* plainInfos(infos: AsyncIterable<LtxFileInfo>): AsyncGenerator<LtxFileInfo, void, undefined> {
  for await (const info of infos) yield plainInfo(info)
}

/**
 * Converts a file reference of the caller to a file reference for the store. If `file` has a size,
 * the result has the size of the encrypted file instead.
 */
function storedRef(file: LtxFileRef): LtxFileRef {
  const size = sizeOf(file)
  if (size === undefined) return file
  const stored: Partial<LtxFileInfo> & LtxFileRef = { ...file, size: PREAMBLE + sealedSize(size) }
  return stored
}

function sizeOf(file: LtxFileRef): number | undefined {
  return (file as Partial<LtxFileInfo>).size
}

/** Numbers of the first and the last chunk to read, both inclusive. */
interface ChunkRange {
  readonly first: number
  readonly last: number
}

interface OpenedRange {
  readonly chunks: ChunkRange
  /** Offset of the first requested byte in the decrypted content. */
  readonly start: number
  readonly end: number
  /** Size of the decrypted content in bytes. */
  readonly size: number
  readonly into: Uint8Array | undefined
}

class EncryptedFiles {
  readonly #client: ReplicaClient
  readonly #headers: AgeHeaders
  readonly #keys = new LRUCache<string, Promise<Uint8Array>>({ max: MAX_KEYS })

  constructor(client: ReplicaClient, headers: AgeHeaders) {
    this.#client = client
    this.#headers = headers
  }

  async read(file: LtxFileRef, range: ByteRange, options: ReadOptions = {}): Promise<ReadResult> {
    const { into, ...request } = options
    const known = sizeOf(file) ?? plainInfo(await this.#client.stat(file, request)).size
    const { start, end } = within(range, known, this.#label(file))
    if (start === end) return { data: new Uint8Array(0), offset: start, fileSize: known }
    const chunks = { first: Math.floor(start / CHUNK), last: Math.floor((end - 1) / CHUNK) }
    // If the file key is not in memory, a read that includes the first chunk also reads the header.
    // Any other read needs one additional small request for the header, once per file.
    const fromStart = chunks.first === 0 && !this.#keys.has(keyName(file))
    const [key, sealed] = await Promise.all([
      fromStart ? undefined : this.#key(file, request),
      this.#readSealed(file, chunks, known, fromStart, request),
    ])
    const preamble = fromStart ? sealed.subarray(0, PREAMBLE) : undefined
    const opened = key ?? (await this.#remember(file, this.#headers.open(preamble!, this.#label(file))))
    const payload = fromStart ? sealed.subarray(PREAMBLE) : sealed
    const data = this.#open(file, opened, payload, { chunks, start, end, size: known, into })
    return { data, offset: start, fileSize: known }
  }

  async #readSealed(
    file: LtxFileRef,
    { first, last }: ChunkRange,
    plainSize: number,
    fromStart: boolean,
    options: ReadOptions,
  ): Promise<Uint8Array> {
    const stored = PREAMBLE + sealedSize(plainSize)
    const offset = fromStart ? 0 : PREAMBLE + first * SEALED_CHUNK
    const end = Math.min(stored, PREAMBLE + (last + 1) * SEALED_CHUNK)
    const read = () => this.#client.read(storedRef(file), { offset, length: end - offset }, options)
    const { data, fileSize } = await this.#explaining(file, options, read)
    if (fileSize !== stored) throw corrupt(`the file has ${fileSize} bytes, not ${stored}`, this.#label(file), fileSize)
    return data
  }

  /**
   * Decrypts the chunks and returns the content from `start` to `end`. Writes the content to the
   * memory `into` if it fits.
   */
  #open(file: LtxFileRef, key: Uint8Array, sealed: Uint8Array, range: OpenedRange): Uint8Array {
    const { chunks, start, end, size, into } = range
    const { first, last } = chunks
    const final = Math.max(0, Math.ceil(size / CHUNK) - 1)
    const wanted = end - start
    const given = into && into.byteLength >= wanted ? into.subarray(0, wanted) : undefined
    const data = given ?? (first === last ? undefined : Buffer.allocUnsafe(wanted))
    for (let chunk = first, at = 0; chunk <= last; chunk++, at += SEALED_CHUNK) {
      const plain = this.#openOne(file, key, chunk, chunk === final, sealed.subarray(at, at + SEALED_CHUNK))
      const from = chunk * CHUNK
      const part = plain.subarray(Math.max(0, start - from), end - from)
      if (data === undefined) return part
      data.set(part, Math.max(0, from - start))
    }
    return data!
  }

  #openOne(file: LtxFileRef, key: Uint8Array, chunk: number, last: boolean, sealed: Uint8Array): Uint8Array {
    const plain = openChunk(key, chunk, last, sealed)
    if (plain) return plain
    // The file key in memory belongs to one particular content of the file. Another primary may
    // have replaced the file since the client cached its key, so the cached key may be wrong.
    this.#keys.delete(keyName(file))
    const at = PREAMBLE + chunk * SEALED_CHUNK
    throw corrupt(`encrypted chunk ${chunk} is damaged or belongs to another file`, this.#label(file), at)
  }

  async *stream(
    file: LtxFileRef,
    options: RequestOptions & { readonly offset?: number } = {},
  ): AsyncGenerator<Uint8Array, void, undefined> {
    const { offset = 0, ...request } = options
    const first = Math.floor(offset / CHUNK)
    const key = first === 0 ? undefined : await this.#key(file, request)
    const from = first === 0 ? {} : { offset: PREAMBLE + first * SEALED_CHUNK }
    const source = new Pieces(this.#client.stream(storedRef(file), { ...request, ...from }))
    try {
      const takePreamble = () => source.take(PREAMBLE)
      const preamble = key ? undefined : await this.#explaining(file, request, takePreamble)
      const opened = key ?? (await this.#headers.open(preamble!, this.#label(file)))
      for (let chunk = first; ; chunk++) {
        const sealed = await source.take(SEALED_CHUNK)
        const last = await source.ended()
        const plain = this.#openOne(file, opened, chunk, last, sealed)
        yield chunk === first ? plain.subarray(offset - first * CHUNK) : plain
        if (last) return
      }
    } finally {
      await source.close()
    }
  }

  async write(
    file: LtxFileRef,
    body: Uint8Array | AsyncIterable<Uint8Array>,
    // Drops the option `localFile`, because the store would link the local file, which is not
    // encrypted.
    { localFile: _, ...options }: WriteOptions,
  ): Promise<LtxFileInfo> {
    const { preamble, key } = await this.#headers.make(this.#client.url)
    const whole = body instanceof Uint8Array
    const sealed = sealedBody(preamble, key, whole ? [body] : body)
    return plainInfo(await this.#client.write(file, whole ? await joined(sealed) : sealed, options))
  }

  /**
   * Runs `act`. Runs `act`. If `act` fails because the file's size differs from the listed size,
   * throws an error that explains the difference. A file whose size differs from the listed size
   * may be unencrypted, or may have been cut short.
   */
  async #explaining<T>(file: LtxFileRef, request: RequestOptions, act: () => Promise<T>): Promise<T> {
    try {
      return await act()
    } catch (error) {
      if (!isLitestreamError(error, 'NOT_FOUND', 'INVALID_ARGUMENT')) throw error
      const { level, minTxid, maxTxid } = file
      const name = { level, minTxid, maxTxid }
      const { size } = await this.#client.stat(name, request)
      const head = await this.#client.read(name, { offset: 0, length: Math.min(size, PREAMBLE) }, request)
      await this.#headers.open(head.data, this.#label(file))
      // `list` returns an impossible encrypted size unchanged, although all other sizes are those
      // of the decrypted content. A read of a file with an impossible size therefore always finds a
      // size that differs from the listed size.
      const isCut = openedSize(size - PREAMBLE) === undefined
      throw isCut
        ? corrupt(
            `the file has ${size} bytes, which no complete encrypted file has: the file was truncated`,
            this.#label(file),
            size,
          )
        : error
    }
  }

  #key(file: LtxFileRef, request: RequestOptions): Promise<Uint8Array> {
    const known = this.#keys.get(keyName(file))
    return known ?? this.#remember(file, this.#readKey(file, request))
  }

  async #readKey(file: LtxFileRef, request: RequestOptions): Promise<Uint8Array> {
    const read = () => this.#client.read(storedRef(file), { offset: 0, length: PREAMBLE }, request)
    const { data } = await this.#explaining(file, request, read)
    return this.#headers.open(data, this.#label(file))
  }

  #remember(file: LtxFileRef, key: Promise<Uint8Array>): Promise<Uint8Array> {
    const name = keyName(file)
    // The key of a file without a version is not remembered, because another primary can replace
    // the file by a file with another key.
    if ((file as Partial<LtxFileInfo>).version === undefined) return key
    this.#keys.set(name, key)
    key.catch(() => {
      if (this.#keys.peek(name) === key) this.#keys.delete(name)
    })
    return key
  }

  #label(file: LtxFileRef): string {
    return fileLabel(this.#client, file)
  }
}

/**
 * Returns the key under which the client caches the encryption key of a file. Two contents of one
 * file name get different cache keys if the listing reports different versions for them.
 */
function keyName(file: LtxFileRef): string {
  const { size, version } = file as Partial<LtxFileInfo>
  return `${relativeName(file)} ${size ?? ''} ${version ?? ''}`
}

/** Resolves a byte range. Throws INVALID_ARGUMENT for a range that extends beyond the file. */
function within(range: ByteRange, size: number, label: string): { readonly start: number; readonly end: number } {
  if ('suffix' in range) return { start: Math.max(0, size - range.suffix), end: size }
  const { offset, length = size - offset } = range
  const end = offset + length
  if (offset >= 0 && length >= 0 && end <= size) return { start: offset, end }
  throw new LitestreamError('INVALID_ARGUMENT', `${label}: bytes ${offset} to ${end} of a file of ${size} bytes`, {
    file: label,
  })
}

/** Encrypts `body` as an age file. The file is the preamble followed by the encrypted chunks. */
async function* sealedBody(
  preamble: Uint8Array,
  key: Uint8Array,
  body: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void, undefined> {
  yield preamble
  const source = new Pieces(body)
  try {
    for (let chunk = 0; ; chunk++) {
      const plain = await source.take(CHUNK)
      const last = await source.ended()
      yield sealChunk(key, chunk, last, plain)
      if (last) return
    }
  } finally {
    await source.close()
  }
}

async function joined(chunks: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  for await (const chunk of chunks) parts.push(chunk)
  return Buffer.concat(parts)
}

/**
 * Divides a stream of buffers into pieces of the sizes that the caller requests. Besides the
 * current piece, the class holds at most one buffer of the stream.
 */
class Pieces {
  readonly #source: AsyncIterator<Uint8Array> | Iterator<Uint8Array>
  #rest: Uint8Array = new Uint8Array(0)
  #done = false

  constructor(source: Iterable<Uint8Array> | AsyncIterable<Uint8Array>) {
    this.#source = Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]()
  }

  /** Returns the next `size` bytes, or all remaining bytes, in new memory that the caller owns. */
  async take(size: number): Promise<Uint8Array> {
    const piece = Buffer.allocUnsafe(size)
    let filled = 0
    while (filled < size && !(await this.ended())) {
      const part = this.#rest.subarray(0, size - filled)
      piece.set(part, filled)
      filled += part.byteLength
      this.#rest = this.#rest.subarray(part.byteLength)
    }
    return piece.subarray(0, filled)
  }

  /** Whether the stream has no more bytes to take. */
  async ended(): Promise<boolean> {
    while (this.#rest.byteLength === 0 && !this.#done) {
      const { done, value } = await this.#source.next()
      if (done) this.#done = true
      else this.#rest = value
    }
    return this.#rest.byteLength === 0
  }

  async close(): Promise<void> {
    if (!this.#done) await this.#source.return?.()
  }
}
