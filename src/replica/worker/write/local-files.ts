import type { FileReader } from '../../../levels/remote-index.js'
import type { ByteRange, LtxFileInfo, ReadOptions, ReadResult } from '../../../storage/replica-client.js'
import { memoryReader } from './committed-file.js'

/**
 * Prefix of the versions of files that are not in the store. The version of an object in a store
 * has no colon before its first letter.
 */
const LOCAL = ':local:'

/**
 * Reads files from the store. Also reads the files of commits that are not in the store yet.
 * LocalFiles runs on the worker thread.
 */
export class LocalFiles implements FileReader {
  readonly #store: FileReader
  readonly #files = new Map<string, { readonly info: LtxFileInfo; readonly bytes: Uint8Array }>()
  #next = 1

  constructor(store: FileReader) {
    this.#store = store
  }

  get url(): string {
    return this.#store.url
  }

  /** Total size of the local files in bytes. */
  get size(): number {
    let size = 0
    for (const { bytes } of this.#files.values()) size += bytes.length
    return size
  }

  /** Adds the file of a local commit. The file has the TXID after `txid`. */
  add(txid: number, timestamp: number, bytes: Uint8Array): LtxFileInfo {
    const version = `${LOCAL}${this.#next++}`
    const info = { level: 0, minTxid: txid + 1, maxTxid: txid + 1, size: bytes.length, createdAt: timestamp, version }
    this.#files.set(version, { info, bytes })
    return info
  }

  async read(file: LtxFileInfo, range: ByteRange, options?: ReadOptions): Promise<ReadResult> {
    const bytes = file.version === undefined ? undefined : this.#files.get(file.version)?.bytes
    return bytes ? memoryReader(this.url, bytes).read(file, range, options) : this.#store.read(file, range, options)
  }

  /** Removes the local files that no view needs. */
  retain(isNeeded: (info: LtxFileInfo) => boolean): void {
    for (const [version, { info }] of this.#files) if (!isNeeded(info)) this.#files.delete(version)
  }
}
