import { isLitestreamError, LitestreamError } from '../errors.js'
import { ForwardingClient } from './forwarding-client.js'
import type { LtxFileInfo, LtxFileRef, ReplicaClient, RequestOptions, WriteOptions } from './replica-client.js'
import type { AskedGuarantees, WriteGuarantees } from './write-guarantees.js'

const REASON = '`write-once` is set, so no object is replaced'

/**
 * A client that only creates objects, for buckets with Object Lock, and for credentials that can
 * neither overwrite nor delete objects. Every write is create-only. A deletion or a replacement
 * throws an error before the client sends a request.
 */
export class WriteOnceClient extends ForwardingClient {
  private readonly asked: AskedGuarantees

  constructor(client: ReplicaClient) {
    super(client)
    this.asked = withoutReplacing(client.guarantees)
  }

  override get guarantees(): AskedGuarantees {
    return this.asked
  }

  override get writeOnce(): true {
    return true
  }

  override write(
    file: LtxFileRef,
    body: Uint8Array | AsyncIterable<Uint8Array>,
    options: WriteOptions,
  ): Promise<LtxFileInfo> {
    return createOnly(this.inner, file, body, options)
  }

  override async delete(files: readonly LtxFileRef[]): Promise<void> {
    if (files.length > 0) throw refusal(this, 'deleting files')
  }

  override async putObject(
    name: string,
    data: Uint8Array,
    ifTag: string | null,
    options?: RequestOptions,
  ): Promise<string> {
    if (ifTag !== null) throw refusal(this, `replacing ${name}`)
    return this.inner.putObject(name, data, null, options)
  }

  override async deleteObject(name: string): Promise<void> {
    throw refusal(this, `deleting ${name}`)
  }
}

/**
 * Throws INVALID_ARGUMENT if `client` is write-once, because `what` needs to replace or delete
 * objects.
 */
export function refuseWriteOnce(client: Pick<ReplicaClient, 'writeOnce' | 'url'>, what: string): void {
  if (client.writeOnce) throw refusal(client, what)
}

function refusal({ url }: Pick<ReplicaClient, 'url'>, what: string): LitestreamError {
  return new LitestreamError('INVALID_ARGUMENT', `${url}: ${what} is not possible, because ${REASON}`, {
    file: url,
    hint: 'Do not use this feature with the replica, or remove `write-once` from the replica. Lifecycle rules of the store delete old files (docs/write-once.md).',
  })
}

/**
 * Writes a file where other clients would replace an existing file. An existing file of the same
 * size counts as written, because a writer repeats a write whose response was lost. If a file of
 * another size exists, throws PRECONDITION_FAILED.
 */
async function createOnly(
  client: ReplicaClient,
  file: LtxFileRef,
  body: Uint8Array | AsyncIterable<Uint8Array>,
  options: WriteOptions,
) {
  if (options.createOnly) return client.write(file, body, options)
  const counted = new Counted(body)
  try {
    return await client.write(file, counted.body, { ...options, createOnly: true })
  } catch (error) {
    if (!isLitestreamError(error, 'PRECONDITION_FAILED')) throw error
    const { level, minTxid, maxTxid } = file
    const found = await client.stat({ level, minTxid, maxTxid }, options.signal ? { signal: options.signal } : {})
    if (found.size !== (await counted.total())) throw error
    return found
  }
}

/**
 * Counts the bytes of a body. If the client has not read the whole body, the class reads the rest
 * of the body to count its bytes.
 */
class Counted {
  readonly #chunks: AsyncIterator<Uint8Array> | Iterator<Uint8Array>
  #bytes = 0

  constructor(body: Uint8Array | AsyncIterable<Uint8Array>) {
    const source = body instanceof Uint8Array ? [body] : body
    this.#chunks = Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]()
  }

  readonly body: AsyncIterable<Uint8Array> = { [Symbol.asyncIterator]: () => this.#counting() }

  async *#counting(): AsyncGenerator<Uint8Array, void, undefined> {
    for (let next = await this.#chunks.next(); !next.done; next = await this.#chunks.next()) {
      this.#bytes += next.value.byteLength
      yield next.value
    }
  }

  async total(): Promise<number> {
    for await (const _ of this.#counting());
    return this.#bytes
  }
}

function withoutReplacing(asked: AskedGuarantees | undefined): AskedGuarantees {
  const own = (found: WriteGuarantees | undefined): WriteGuarantees => ({
    createOnly: found?.createOnly ?? true,
    compareAndSet: false,
    reason: found?.createOnly === false ? found.reason : REASON,
  })
  return {
    get known() {
      if (!asked) return own(undefined)
      return asked.known && own(asked.known)
    },
    ask: async (options) => own(await asked?.ask(options)),
  }
}
