import type { WaitOptions } from '../util/wait.js'
import type {
  ByteRange,
  LegacyObjects,
  ListOptions,
  LtxFileInfo,
  LtxFileRef,
  Operation,
  OperationStats,
  ReadOptions,
  ReadResult,
  ReplicaClient,
  RequestOptions,
  TaggedObject,
  WriteOptions,
} from './replica-client.js'

/**
 * A client that passes every operation to another client, and has the same optional methods as that
 * client. ForwardingClient is the base class of clients that replace some operations. A client that
 * wraps all operations in the same way uses `wrapClient` instead of ForwardingClient.
 */
export class ForwardingClient implements ReplicaClient {
  protected readonly inner: ReplicaClient

  constructor(inner: ReplicaClient) {
    this.inner = inner
  }

  get type(): ReplicaClient['type'] {
    return this.inner.type
  }

  get url(): string {
    return this.inner.url
  }

  get guarantees(): ReplicaClient['guarantees'] {
    return this.inner.guarantees
  }

  get writeOnce(): ReplicaClient['writeOnce'] {
    return this.inner.writeOnce
  }

  get legacy(): LegacyObjects | undefined {
    return this.inner.legacy
  }

  list(level: number, options?: ListOptions): AsyncIterable<LtxFileInfo> {
    return this.inner.list(level, options)
  }

  get listUpwards(): ReplicaClient['listUpwards'] {
    return this.inner.listUpwards?.bind(this.inner)
  }

  read(file: LtxFileRef, range: ByteRange, options?: ReadOptions): Promise<ReadResult> {
    return this.inner.read(file, range, options)
  }

  stream(file: LtxFileRef, options?: RequestOptions & { readonly offset?: number }): AsyncIterable<Uint8Array> {
    return this.inner.stream(file, options)
  }

  write(file: LtxFileRef, body: Uint8Array | AsyncIterable<Uint8Array>, options: WriteOptions): Promise<LtxFileInfo> {
    return this.inner.write(file, body, options)
  }

  delete(files: readonly LtxFileRef[], options?: RequestOptions): Promise<void> {
    return this.inner.delete(files, options)
  }

  stat(file: LtxFileRef, options?: RequestOptions): Promise<LtxFileInfo> {
    return this.inner.stat(file, options)
  }

  get watch(): ReplicaClient['watch'] {
    return this.inner.watch?.bind(this.inner)
  }

  get replicas(): ReplicaClient['replicas'] {
    return this.inner.replicas?.bind(this.inner)
  }

  getObject(name: string, options?: RequestOptions): Promise<TaggedObject | undefined> {
    return this.inner.getObject(name, options)
  }

  putObject(name: string, data: Uint8Array, ifTag: string | null, options?: RequestOptions): Promise<string> {
    return this.inner.putObject(name, data, ifTag, options)
  }

  deleteObject(name: string, ifTag: string, options?: RequestOptions): Promise<void> {
    return this.inner.deleteObject(name, ifTag, options)
  }

  stats(): Readonly<Record<Operation, OperationStats>> {
    return this.inner.stats()
  }

  close(waiting?: WaitOptions): Promise<void> {
    return this.inner.close(waiting)
  }
}
