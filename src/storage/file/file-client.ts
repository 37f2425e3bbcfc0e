import { constants } from 'node:fs'
import { access, stat } from 'node:fs/promises'
import path from 'node:path'
import { LitestreamError } from '../../errors.js'
import { fsError, isErrno } from '../../fs/fs-error.js'
import { namesIn } from '../../fs/names-in.js'
import { openRegular } from '../../fs/open-regular.js'
import { checkRegular } from '../../fs/open-regular-sync.js'
import { removeFile } from '../../fs/remove.js'
import { parseFileName } from '../../ltx/file-name.js'
import { native } from '../../native/addon.js'
import { onAbort, throwIfAborted } from '../../util/abort.js'
import { type WaitOptions, withDeadline } from '../../util/wait.js'
import { compareFiles, levelDirectory, relativeName } from '../keys.js'
import { checkedListing } from '../listing.js'
import type { NumberedObjects } from '../numbered-objects.js'
import { checkSameFile, isListed } from '../object-identity.js'
import { OperationCounters } from '../operation-counters.js'
import type { OutageListener } from '../outage.js'
import { resolveRange } from '../range.js'
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
} from '../replica-client.js'
import { walkReplicas } from '../walk-folders.js'
import { type BoundedWait, boundedWait } from './bounded-wait.js'
import type { FileWrites } from './file-writes.js'
import { FileLegacyObjects } from './legacy-objects.js'
import { type FileLocation, fileUrl } from './location.js'
import { refuseOtherSpelling } from './other-spelling.js'
import { infoOf, readFully } from './read-file.js'
import { readStoreFolder } from './replica-folders.js'
import { watchDirectory } from './watch-directory.js'

export interface FileSettings {
  /**
   * Path of a database. New files of the replica get the owner and mode of the database
   * `ownerLike`. Without `ownerLike`, new files get the owner and mode of the replica's existing
   * files.
   */
  readonly ownerLike?: string
}

/** Number of files that a listing inspects in parallel with stat calls. */
const STAT_BATCH = 64

/**
 * A client of a replica in a local directory. Files are named `<path>/ltx/<level>/<min>-<max>.ltx`,
 * and their mtime is the LTX timestamp.
 */
export class FileReplicaClient implements ReplicaClient {
  readonly type = 'file'
  readonly url: string
  readonly legacy: LegacyObjects
  readonly #root: string
  readonly #ownerLike: string | undefined
  readonly #counters: OperationCounters
  readonly #endWatches = new Set<() => void>()
  readonly #closing = new AbortController()
  /** The part of the client that writes. Readers do not need its code. */
  #writes: FileWrites | undefined

  private constructor(root: string, settings: FileSettings, onOutage: OutageListener | undefined) {
    this.#root = root
    this.#ownerLike = settings.ownerLike
    this.legacy = new FileLegacyObjects(root)
    this.url = fileUrl(root)
    this.#counters = new OperationCounters(this.url, onOutage)
  }

  /**
   * Opens a replica in a directory. If the directory does not exist, the first write creates it.
   * Throws ACCESS_DENIED if the directory cannot be read, and TIMEOUT if the file system does not
   * respond. Throws INVALID_URL if the directory does not exist, but another interpretation of the
   * URL names an existing replica.
   */
  static async open(
    location: Pick<FileLocation, 'path' | 'alternatives'>,
    settings: FileSettings = {},
    signal?: AbortSignal,
    onOutage?: OutageListener,
  ): Promise<FileReplicaClient> {
    const client = new FileReplicaClient(location.path, settings, onOutage)
    const what = `opening the replica ${client.#root}`
    throwIfAborted(signal, what)
    await boundedWait(client.#checkRoot(location.alternatives ?? []), {
      what,
      file: client.#root,
      signal,
      closing: client.#closing.signal,
    })
    return client
  }

  async #checkRoot(alternatives: readonly string[]): Promise<void> {
    await refuseOtherSpelling(this.#root, alternatives)
    for (const directory of [this.#root, path.join(this.#root, 'ltx')]) {
      try {
        if (!(await stat(directory)).isDirectory()) {
          throw new LitestreamError('STORAGE_FAILED', `${directory} is a file, but a replica needs a directory`, {
            file: directory,
            hint: 'Set the replica URL to the path of a directory, not of a file.',
          })
        }
        await access(directory, constants.R_OK | constants.X_OK)
      } catch (error) {
        if (!isErrno(error, 'ENOENT')) throw fsError(error, 'opening the replica', directory)
        return // what is missing has no contents
      }
    }
  }

  async *list(level: number, { fromTxid = 0, signal }: ListOptions = {}): AsyncIterable<LtxFileInfo> {
    const directory = path.join(this.#root, levelDirectory(level))
    const wanted = (name: string) => (parseFileName(name)?.minTxid ?? -1) >= fromTxid
    const names = await this.#run('LIST', 'listing', directory, signal, () => namesIn(directory, wanted, signal))
    const files = names.map((name) => ({ level, ...parseFileName(name)! })).sort(compareFiles)
    const what = `listing ${directory}`
    yield* checkedListing(this.#stats(files, { what, file: directory, signal, closing: this.#closing.signal }), {
      what,
      signal,
    })
  }

  async *#stats(files: readonly LtxFileRef[], wait: BoundedWait): AsyncGenerator<LtxFileInfo> {
    for (let i = 0; i < files.length; i += STAT_BATCH) {
      const stats = Promise.all(files.slice(i, i + STAT_BATCH).map((file) => this.#statIfThere(file)))
      for (const info of await boundedWait(stats, wait)) if (info !== undefined) yield info
    }
  }

  /**
   * Returns undefined if the entry is not a file, or if another process has deleted the entry since
   * the directory was listed.
   */
  async #statIfThere(file: LtxFileRef): Promise<LtxFileInfo | undefined> {
    const name = this.#path(file)
    try {
      const stats = await stat(name)
      return stats.isFile() ? infoOf(file, stats) : undefined
    } catch (error) {
      if (isErrno(error, 'ENOENT', 'ELOOP')) return undefined
      throw fsError(error, 'listing', name)
    }
  }

  async *replicas({ signal }: RequestOptions = {}): AsyncIterable<string> {
    const list = (relative: string) => {
      const folder = path.join(this.#root, relative)
      return this.#run('LIST', 'listing', folder, signal, () => readStoreFolder(folder))
    }
    yield* walkReplicas(list, { what: `listing the replicas below ${this.#root}`, signal })
  }

  read(file: LtxFileRef, range: ByteRange, { signal, into }: ReadOptions = {}): Promise<ReadResult> {
    const name = this.#path(file)
    return this.#run('GET', 'reading', name, signal, async () => {
      const found = await readListed(name, file, range, into)
      if (found) {
        this.#counters.bytes('GET', found.data.length)
        return found
      }
      const { handle, stats } = await openRegular(name)
      try {
        const found = infoOf(file, stats)
        checkSameFile(file, found, name)
        const fileSize = found.size
        const { offset, length } = resolveRange(range, fileSize, name)
        const data = roomFor(length, into)
        await readFully(handle, data, offset, name)
        this.#counters.bytes('GET', length)
        return { data, offset, fileSize }
      } finally {
        await handle.close()
      }
    })
  }

  async *stream(
    file: LtxFileRef,
    { offset = 0, signal }: RequestOptions & { readonly offset?: number } = {},
  ): AsyncIterable<Uint8Array> {
    const name = this.#path(file)
    const { streamFile } = await import('./file-stream.js')
    yield* streamFile(file, name, {
      offset,
      signal,
      closing: this.#closing.signal,
      counters: this.#counters,
      run: (open) => this.#run('GET', 'reading', name, signal, open),
    })
  }

  write(file: LtxFileRef, body: Uint8Array | AsyncIterable<Uint8Array>, options: WriteOptions): Promise<LtxFileInfo> {
    const name = this.#path(file)
    return this.#run('PUT', 'writing', name, options.signal, async () => {
      const size = await (await this.#writing()).write(name, body, options)
      this.#counters.bytes('PUT', size)
      return { level: file.level, minTxid: file.minTxid, maxTxid: file.maxTxid, size, createdAt: options.timestamp }
    })
  }

  async delete(files: readonly LtxFileRef[], { signal }: RequestOptions = {}): Promise<void> {
    for (const file of files) {
      const name = this.#path(file)
      await this.#run('DELETE', 'deleting', name, signal, () => removeFile(name))
    }
  }

  stat(file: LtxFileRef, { signal }: RequestOptions = {}): Promise<LtxFileInfo> {
    const name = this.#path(file)
    return this.#run('HEAD', 'checking', name, signal, async () => infoOf(file, checkRegular(name, await stat(name))))
  }

  async watch(onChange: () => void, { signal }: RequestOptions = {}): Promise<void> {
    const directory = path.join(this.#root, levelDirectory(0))
    throwIfAborted(signal, `watching ${directory}`)
    const stop = watchDirectory(directory, (name) => parseFileName(name) !== undefined, onChange)
    const end = () => {
      stop()
      this.#endWatches.delete(end)
      forget()
    }
    this.#endWatches.add(end)
    const forget = onAbort(signal, end)
  }

  getObject(name: string, { signal }: RequestOptions = {}): Promise<TaggedObject | undefined> {
    return this.#run('GET', 'reading', path.join(this.#root, name), signal, async () =>
      (await this.#objects()).get(name),
    )
  }

  putObject(name: string, data: Uint8Array, ifTag: string | null, { signal }: RequestOptions = {}): Promise<string> {
    return this.#run('PUT', 'writing', path.join(this.#root, name), signal, async () =>
      (await this.#objects()).put(name, data, ifTag),
    )
  }

  async deleteObject(name: string, ifTag: string, { signal }: RequestOptions = {}): Promise<void> {
    await this.#run('DELETE', 'deleting', path.join(this.#root, name), signal, async () =>
      (await this.#objects()).put(name, new Uint8Array(), ifTag),
    )
  }

  stats(): Record<Operation, OperationStats> {
    return this.#counters.snapshot()
  }

  async close(waiting: WaitOptions = {}): Promise<void> {
    await withDeadline(`closing ${this.url}`, waiting, () => this.#close(), { abandon: true })
  }

  async #close(): Promise<void> {
    for (const end of this.#endWatches) end()
    this.#closing.abort(new LitestreamError('ABORTED', `the client of ${this.url} was closed`))
  }

  #path(file: LtxFileRef): string {
    return path.join(this.#root, relativeName(file))
  }

  /** Returns the part of the client that writes. If its code cannot be loaded, the next call tries again. */
  async #writing(): Promise<FileWrites> {
    if (this.#writes === undefined) {
      const { FileWrites } = await import('./file-writes.js')
      this.#writes ??= new FileWrites(this.#root, this.#ownerLike)
    }
    return this.#writes
  }

  async #objects(): Promise<NumberedObjects> {
    return (await this.#writing()).objects
  }

  /**
   * Runs one operation of the file system and counts the operation. Fails immediately if a signal
   * has aborted, limits the wait, and converts an error to a LitestreamError.
   */
  #run<T>(
    operation: Operation,
    doing: string,
    file: string,
    signal: AbortSignal | undefined,
    act: () => Promise<T>,
  ): Promise<T> {
    return this.#counters.track(operation, async () => {
      const what = `${doing} ${file}`
      const closing = this.#closing.signal
      throwIfAborted(signal, what)
      if (closing.aborted) throw closing.reason
      try {
        return await boundedWait(act(), { what, file, signal, closing, unlimited: operation === 'PUT' })
      } catch (error) {
        throw fsError(error, doing, file)
      }
    })
  }
}

/**
 * Reads a range of a listed file with one task of libuv's pool. Returns undefined if the file
 * was not listed, was replaced since then, or cannot be read. Throws INVALID_ARGUMENT for a range
 * that extends beyond the listed size.
 */
async function readListed(
  name: string,
  file: LtxFileRef,
  range: ByteRange,
  into: Uint8Array | undefined,
): Promise<ReadResult | undefined> {
  if (!isListed(file) || file.version === undefined) return undefined
  const { size: fileSize, version } = file
  const { offset, length } = resolveRange(range, fileSize, name)
  const data = roomFor(length, into)
  return (await native.readListedFile(name, fileSize, Number(version), offset, data))
    ? { data, offset, fileSize }
    : undefined
}

function roomFor(length: number, into: Uint8Array | undefined): Uint8Array {
  return into !== undefined && into.length >= length ? into.subarray(0, length) : new Uint8Array(length)
}
