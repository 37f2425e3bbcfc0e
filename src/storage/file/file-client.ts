import { constants, type Stats } from 'node:fs'
import { access, type FileHandle, stat } from 'node:fs/promises'
import path from 'node:path'
import { LitestreamError } from '../../errors.js'
import { makeDirectory } from '../../fs/directory.js'
import { writeDurably } from '../../fs/durable.js'
import { fsError, isErrno } from '../../fs/fs-error.js'
import { linkDurably } from '../../fs/link-durably.js'
import { namesIn } from '../../fs/names-in.js'
import { openRegular } from '../../fs/open-regular.js'
import { checkRegular } from '../../fs/open-regular-sync.js'
import type { Ownership } from '../../fs/owner.js'
import { removeFile } from '../../fs/remove.js'
import { sweepAbandoned } from '../../fs/temporary.js'
import { parseFileName } from '../../ltx/file-name.js'
import { native } from '../../native/addon.js'
import { onAbort, throwIfAborted } from '../../util/abort.js'
import { type WaitOptions, withDeadline } from '../../util/wait.js'
import { type OpenedBody, readBody } from '../body-reader.js'
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
import { DEFAULT_POLICY } from '../request-policy.js'
import { walkReplicas } from '../walk-folders.js'
import { type BoundedWait, boundedWait } from './bounded-wait.js'
import { FileLegacyObjects } from './legacy-objects.js'
import { type FileLocation, fileUrl } from './location.js'
import { refuseOtherSpelling } from './other-spelling.js'
import { readStoreFolder } from './replica-folders.js'
import { ReplicaOwnership } from './replica-ownership.js'
import { taggedObjects } from './tagged-objects.js'
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

/** Size of a stream's chunks in bytes. */
const STREAM_CHUNK = 256 * 1024

/**
 * A client of a replica in a local directory. Files are named `<path>/ltx/<level>/<min>-<max>.ltx`,
 * and their mtime is the LTX timestamp.
 */
export class FileReplicaClient implements ReplicaClient {
  readonly type = 'file'
  readonly url: string
  readonly legacy: LegacyObjects
  readonly #root: string
  readonly #ownership: ReplicaOwnership
  readonly #counters: OperationCounters
  readonly #objects: NumberedObjects
  readonly #swept = new Set<string>()
  readonly #endWatches = new Set<() => void>()
  readonly #closing = new AbortController()

  private constructor(root: string, settings: FileSettings, onOutage: OutageListener | undefined) {
    this.#root = root
    this.#ownership = new ReplicaOwnership(root, settings.ownerLike)
    this.legacy = new FileLegacyObjects(root)
    this.#objects = taggedObjects(root, () => this.#ownership.get())
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
    const open = (at = offset) => this.#run('GET', 'reading', name, signal, () => openBody(file, name, at))
    yield* readBody(open, {
      policy: DEFAULT_POLICY,
      what: `reading ${name}`,
      signal,
      closing: this.#closing.signal,
      counters: this.#counters,
      operation: 'GET',
      toError: (error) => fsError(error, 'reading', name),
    })
  }

  write(
    file: LtxFileRef,
    body: Uint8Array | AsyncIterable<Uint8Array>,
    { timestamp, createOnly = false, localFile, signal }: WriteOptions,
  ): Promise<LtxFileInfo> {
    const name = this.#path(file)
    return this.#run('PUT', 'writing', name, signal, async () => {
      const ownership = await this.#ownership.get()
      const directory = path.dirname(name)
      // If the link fails because another program has removed the directory, the copy that follows
      // creates the directory again.
      if (!this.#swept.has(directory)) await this.#ready(directory, ownership)
      let size = localFile !== undefined && createOnly && (await linkDurably(localFile, name, timestamp, ownership))
      if (size === false) {
        await this.#ready(directory, ownership)
        size = await writeDurably(name, body, { mtime: timestamp, createOnly, ownership, signal })
      }
      this.#counters.bytes('PUT', size)
      return { level: file.level, minTxid: file.minTxid, maxTxid: file.maxTxid, size, createdAt: timestamp }
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
    return this.#run('GET', 'reading', path.join(this.#root, name), signal, () => this.#objects.get(name))
  }

  putObject(name: string, data: Uint8Array, ifTag: string | null, { signal }: RequestOptions = {}): Promise<string> {
    return this.#run('PUT', 'writing', path.join(this.#root, name), signal, () => this.#objects.put(name, data, ifTag))
  }

  async deleteObject(name: string, ifTag: string, { signal }: RequestOptions = {}): Promise<void> {
    await this.#run('DELETE', 'deleting', path.join(this.#root, name), signal, () =>
      this.#objects.put(name, new Uint8Array(), ifTag),
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

  /**
   * Creates the directory of a level if it is missing. The first call for a directory also removes
   * temporary files that dead writers have left in the directory.
   */
  async #ready(directory: string, ownership: Ownership | undefined): Promise<void> {
    const isNew = await makeDirectory(directory, ownership)
    if (this.#swept.has(directory)) return
    this.#swept.add(directory)
    if (!isNew) await sweepAbandoned(directory)
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
 * The version of a file is its exact mtime. A primary sets the mtime to the LTX timestamp. The
 * mtimes of files that two primaries wrote therefore differ by at least a millisecond.
 */
function infoOf({ level, minTxid, maxTxid }: LtxFileRef, { size, mtimeMs, mode }: Stats): LtxFileInfo {
  const version = String(mtimeMs)
  return { level, minTxid, maxTxid, size, createdAt: Math.round(mtimeMs), version, mode: mode & 0o777 }
}

async function openBody(file: LtxFileRef, name: string, at: number): Promise<OpenedBody> {
  const { handle, stats } = await openRegular(name)
  try {
    const found = infoOf(file, stats)
    checkSameFile(file, found, name)
    const { offset: start } = resolveRange({ offset: at }, found.size, name)
    const end = found.size
    const chunks = chunksOf(handle, start, end, name)
    // A system call cannot be cancelled. `cancel` therefore does nothing, and `close` closes the
    // file handle after the running call.
    return { wanted: { start, end }, start, end, chunks, cancel: () => undefined, close: () => handle.close() }
  } catch (error) {
    await handle.close()
    throw error
  }
}

async function* chunksOf(handle: FileHandle, start: number, end: number, name: string): AsyncGenerator<Uint8Array> {
  for (let at = start; at < end; at += STREAM_CHUNK) {
    const chunk = new Uint8Array(Math.min(STREAM_CHUNK, end - at))
    await readFully(handle, chunk, at, name)
    yield chunk
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

async function readFully(handle: FileHandle, data: Uint8Array, offset: number, name: string): Promise<void> {
  for (let at = 0; at < data.byteLength; ) {
    const { bytesRead } = await handle.read(data, at, data.byteLength - at, offset + at)
    if (bytesRead === 0) {
      throw new LitestreamError('STORAGE_FAILED', `${name} became shorter during the read`, {
        file: name,
        offset: offset + at,
      })
    }
    at += bytesRead
  }
}
