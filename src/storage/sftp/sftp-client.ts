import { LitestreamError } from '../../errors.js'
import { temporaryPath } from '../../fs/temporary.js'
import { parseFileName } from '../../ltx/file-name.js'
import { throwIfAborted } from '../../util/abort.js'
import { runAll } from '../../util/run-all.js'
import { type WaitOptions, withDeadline } from '../../util/wait.js'
import { gather, type OpenedBody, readBody } from '../body-reader.js'
import { HEADER_BYTES, headerTime } from '../header-time.js'
import { compareFiles, levelDirectory, relativeName } from '../keys.js'
import { type FolderEntry, legacyTree } from '../legacy-tree.js'
import { checkedListing } from '../listing.js'
import { mergedSettings } from '../merged-settings.js'
import { type NumberedFolder, NumberedObjects } from '../numbered-objects.js'
import { checkSameFile, type FoundFile, isSameFile, replacedError } from '../object-identity.js'
import { openedClient } from '../opened-client.js'
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
import type { RequestPolicy } from '../request-policy.js'
import { checkTaggedSize } from '../tagged-size.js'
import { storeFolder, walkReplicas } from '../walk-folders.js'
import { type AskedGuarantees, askedGuarantees, type WriteGuarantees } from '../write-guarantees.js'
import { isStatus, STATUS, sftpError } from './errors.js'
import { entriesOf, makeDirectories, parentOf, sweep } from './folder.js'
import { type SftpLocation, sftpUrl } from './location.js'
import { type NamingMethod, nameOnce, replaceWith } from './publish.js'
import { chunksOf, readInto } from './reading.js'
import type { Handle, RemoteFiles, RemoteStats } from './remote-files.js'
import { SftpSession, type Subject } from './session.js'
import type { SftpSettings } from './settings.js'
import { uploadTo } from './upload.js'

/** Number of files that the client deletes in parallel. */
const DELETE_CONCURRENCY = 8

/**
 * A client of a replica in a directory of an SFTP server. Files are named
 * `<path>/ltx/<level>/<min>-<max>.ltx`, and their mtime is the LTX timestamp in seconds.
 */
export class SftpReplicaClient implements ReplicaClient {
  readonly type = 'sftp'
  readonly url: string
  readonly legacy: LegacyObjects
  readonly guarantees: AskedGuarantees
  readonly #root: string
  readonly #session: SftpSession
  readonly #concurrent: boolean
  readonly #ready = new Set<string>()
  #naming: NamingMethod = 'link'
  /**
   * Whether the client has already named a file with the method in `#naming`. The first success
   * proves that the server supports this naming method.
   */
  #isNamingKnown = false

  private constructor(location: SftpLocation, session: SftpSession, settings: SftpSettings) {
    this.url = sftpUrl(location)
    this.#root = location.path
    this.#session = session
    this.#concurrent = settings.concurrentWrites ?? true
    this.guarantees = askedGuarantees(
      () => this.#guarantees,
      (options) => this.#askGuarantees(options),
    )
    this.legacy = {
      list: (prefix, options) => legacyTree(prefix, (folder) => this.#folder(folder, options)),
      stream: (name, options) => this.#stream(this.#path(name), undefined, 0, options),
    }
  }

  /**
   * Connects to the server and checks the directory. If the directory does not exist, the first
   * write creates it. Throws CONFIG_INVALID for unusable settings and files, and PACKAGE_MISSING.
   * Throws ACCESS_DENIED for a wrong host key, a failed authentication and an unreadable directory.
   */
  static async open(
    location: SftpLocation,
    given: SftpSettings = {},
    signal?: AbortSignal,
    policy: Partial<RequestPolicy> = {},
    onOutage?: OutageListener,
  ): Promise<SftpReplicaClient> {
    const settings = merged(location.settings, given)
    const session = await SftpSession.prepare(location, settings, policy, onOutage)
    const client = new SftpReplicaClient(location, session, settings)
    return openedClient(client, () => client.#checkRoot(signal))
  }

  /**
   * Checks the settings and reads the files that they name, without connecting. Throws the errors
   * that `open` would throw for the settings and files.
   */
  static async check(location: SftpLocation, given: SftpSettings = {}): Promise<void> {
    const session = await SftpSession.prepare(location, merged(location.settings, given))
    try {
      session.checkHostKnown()
    } finally {
      session.close()
    }
  }

  async #checkRoot(signal: AbortSignal | undefined): Promise<void> {
    const root = this.#root
    await this.#session.retried({ operation: 'HEAD', doing: 'opening', path: root, signal }, async (files) => {
      const stats = await files.statIfThere(root)
      if (stats === undefined) return
      if (!stats.isDirectory) {
        const target = this.#session.target(root)
        throw new LitestreamError('STORAGE_FAILED', `${target} is a file, but a replica needs a directory`, {
          file: target,
          hint: 'Set the replica URL to the path of a directory, not of a file.',
        })
      }
      files.closeLater(await files.openDirectory(root))
    })
  }

  async *list(level: number, { fromTxid = 0, signal }: ListOptions = {}): AsyncIterable<LtxFileInfo> {
    const directory = this.#path(levelDirectory(level))
    const label = this.#session.target(directory)
    const wanted = ({ name }: { readonly name: string }) => (parseFileName(name)?.minTxid ?? -1) >= fromTxid
    const found = await this.#session.retried(this.#subject('LIST', 'listing', directory, signal), (files) =>
      entriesOf(files, directory, (entry) => entry.isFile && !isClaim(entry) && wanted(entry), label),
    )
    const infos = found.map((entry) => infoOf({ level, ...parseFileName(entry.name)! }, entry)).sort(compareFiles)
    yield* checkedListing(infos, { what: `listing ${label}`, signal })
  }

  /** Lists replicas, but does not follow symbolic links. */
  async *replicas({ signal }: RequestOptions = {}): AsyncIterable<string> {
    const foldersIn = async (relative: string) => {
      const path = relative === '' ? this.#root : this.#path(relative)
      const label = this.#session.target(path)
      const found = await this.#session.retried(this.#subject('LIST', 'listing', path, signal), (files) =>
        entriesOf(files, path, ({ isDirectory, name }) => isDirectory && !/^\.\.?$|\//.test(name), label),
      )
      return found.map(({ name }) => name)
    }
    const list = (relative: string) => storeFolder(relative, foldersIn)
    yield* walkReplicas(list, { what: `listing the replicas below ${this.url}`, signal })
  }

  read(file: LtxFileRef, range: ByteRange, { signal, into }: ReadOptions = {}): Promise<ReadResult> {
    const path = this.#file(file)
    const name = this.#session.target(path)
    return this.#session.retried(this.#subject('GET', 'reading', path, signal), (files) =>
      this.#opened(files, path, file, async (handle, found) => {
        const { offset, length } = resolveRange(range, found.size, name)
        const room = into !== undefined && into.length >= length ? into : undefined
        const chunks = chunksOf(files, handle, { start: offset, end: offset + length, name })
        // The size that the server reports may be wrong, so the memory grows only with the bytes
        // that arrive.
        const data = await gather(chunks, () => length, room)
        this.#session.counters.bytes('GET', length)
        return { data, offset, fileSize: found.size }
      }),
    )
  }

  /**
   * Opens a file, calls `act` with the open file, and closes the file. Throws if the file is not a
   * regular file. If `file` comes from a listing, also throws if the opened file differs from the
   * listed file.
   */
  async #opened<T>(
    files: RemoteFiles,
    path: string,
    file: LtxFileRef | undefined,
    act: (handle: Handle, found: RemoteStats) => Promise<T>,
  ): Promise<T> {
    const handle = await files.openToRead(path)
    try {
      return await act(handle, await this.#checked(files, handle, path, file))
    } finally {
      files.closeLater(handle)
    }
  }

  async #checked(files: RemoteFiles, handle: Handle, path: string, file: LtxFileRef | undefined): Promise<RemoteStats> {
    const stats = await files.fstat(handle)
    const name = this.#session.target(path)
    if (!stats.isFile) {
      throw new LitestreamError('STORAGE_FAILED', `${name} is not a regular file`, {
        file: name,
        hint: `Remove ${name} from the directory of the replica.`,
      })
    }
    if (file !== undefined && isClaim(stats)) throw notFound(name)
    if (file !== undefined) checkSameFile(file, versionOf(stats), name)
    return stats
  }

  stream(
    file: LtxFileRef,
    { offset = 0, signal }: RequestOptions & { readonly offset?: number } = {},
  ): AsyncIterable<Uint8Array> {
    return this.#stream(this.#file(file), file, offset, signal ? { signal } : {})
  }

  async *#stream(
    path: string,
    file: LtxFileRef | undefined,
    offset: number,
    { signal }: RequestOptions = {},
  ): AsyncGenerator<Uint8Array> {
    const name = this.#session.target(path)
    const subject = this.#subject('GET', 'reading', path, signal)
    let first: RemoteStats | undefined
    const open = (at = offset): Promise<OpenedBody> =>
      this.#session.once(subject, async (files) => {
        const handle = await files.openToRead(path)
        try {
          const stats = await this.#checked(files, handle, path, file)
          // After an interruption, a later request must read the same file as the first request.
          if (first !== undefined) checkUnchanged(first, stats, name)
          first ??= stats
          const { offset: start } = resolveRange({ offset: at }, stats.size, name)
          const end = stats.size
          return {
            wanted: { start, end },
            start,
            end,
            chunks: chunksOf(files, handle, { start, end, name }),
            cancel: () => undefined,
            close: async () => files.closeLater(handle),
          }
        } catch (error) {
          files.closeLater(handle)
          throw error
        }
      })
    yield* readBody(open, {
      policy: this.#session.policy,
      what: `reading ${name}`,
      signal,
      closing: this.#session.closing,
      counters: this.#session.counters,
      operation: 'GET',
      toError: (error) => sftpError(error, 'reading', name),
    })
  }

  async write(
    file: LtxFileRef,
    body: Uint8Array | AsyncIterable<Uint8Array>,
    { timestamp, createOnly = false, signal }: WriteOptions,
  ): Promise<LtxFileInfo> {
    const path = this.#file(file)
    const size = await this.#write(path, body, timestamp, createOnly, signal)
    return { level: file.level, minTxid: file.minTxid, maxTxid: file.maxTxid, size, createdAt: timestamp }
  }

  /**
   * Writes a file under a temporary name first, so that an incomplete file never has the name of an
   * LTX file.
   */
  #write(
    path: string,
    body: Uint8Array | AsyncIterable<Uint8Array>,
    timestamp: number,
    createOnly: boolean,
    signal: AbortSignal | undefined,
  ): Promise<number> {
    const subject = this.#subject('PUT', 'writing', path, signal)
    const session = this.#session
    const label = session.target(path)
    throwIfAborted(signal, `writing ${label}`)
    return session.counters.track('PUT', () =>
      session.typed(subject, async () => {
        await session.attempts(subject, (files) => this.#prepare(files, parentOf(path)))
        const temporary = `${parentOf(path)}/${temporaryPath(path).slice(path.lastIndexOf('/') + 1)}`
        try {
          const size = await uploadTo(session, subject, temporary, body, { timestamp, concurrent: this.#concurrent })
          await session.attempts(subject, async (files) => {
            if (createOnly) await this.#nameOnce(files, temporary, path, label)
            else await replaceWith(files, temporary, path)
          })
          session.counters.bytes('PUT', size)
          return size
        } catch (error) {
          await this.#removeTemporary(temporary)
          throw error
        }
      }),
    )
  }

  async #nameOnce(files: RemoteFiles, temporary: string, path: string, label: string): Promise<void> {
    this.#naming = await nameOnce(files, temporary, path, label, this.#naming)
    this.#isNamingKnown = true
  }

  /** The guarantees of the server, or undefined before the client has named its first file. */
  get #guarantees(): WriteGuarantees | undefined {
    if (!this.#isNamingKnown) return undefined
    const method = this.#naming
    const reason = method === 'link' ? undefined : 'the SFTP server has no hard links (hardlink@openssh.com)'
    return { createOnly: method !== 'rename', compareAndSet: method === 'link', reason }
  }

  /**
   * Determines the guarantees of the server. #askGuarantees() creates a file, gives it a unique
   * name, and removes it.
   */
  async #askGuarantees({ signal }: RequestOptions = {}): Promise<WriteGuarantees> {
    const subject = this.#subject('PUT', 'probing', this.#root, signal)
    await this.#session.retried(subject, async (files) => {
      await this.#prepare(files, this.#root)
      const [from, to] = [this.#temporary('probe'), this.#temporary('probe')]
      try {
        await files.close(await files.create(from))
        await this.#nameOnce(files, from, to, this.#session.target(to))
      } finally {
        for (const each of [from, to]) await files.remove(each)
      }
    })
    return this.#guarantees!
  }

  #temporary(name: string): string {
    const path = this.#path(name)
    return `${parentOf(path)}/${temporaryPath(path).slice(path.lastIndexOf('/') + 1)}`
  }

  /**
   * Creates a directory if it is missing. The first call for a directory also removes temporary
   * files that dead writers have left in it.
   */
  async #prepare(files: RemoteFiles, directory: string): Promise<void> {
    if (this.#ready.has(directory)) return
    await makeDirectories(files, directory)
    await sweep(files, directory, this.#session.target(directory))
    this.#ready.add(directory)
  }

  /** If the temporary file cannot be removed now, the first write of a later process removes it. */
  async #removeTemporary(temporary: string): Promise<void> {
    const { closing } = this.#session
    if (closing.aborted) return
    await this.#session
      .files(this.#subject('PUT', 'removing', temporary, undefined))
      .then((files) => files.remove(temporary))
      .catch(() => undefined)
  }

  async delete(files: readonly LtxFileRef[], { signal }: RequestOptions = {}): Promise<void> {
    const deletions = files.map((file) => () => {
      const path = this.#file(file)
      return this.#session.retried(this.#subject('DELETE', 'deleting', path, signal), (remote) => remote.remove(path))
    })
    await runAll(DELETE_CONCURRENCY, deletions)
  }

  /**
   * Returns size, version and time of a file. The time comes from the LTX header, because the
   * server stores only whole seconds.
   */
  stat(file: LtxFileRef, { signal }: RequestOptions = {}): Promise<LtxFileInfo> {
    const path = this.#file(file)
    const name = this.#session.target(path)
    return this.#session.retried(this.#subject('HEAD', 'checking', path, signal), (files) =>
      this.#opened(
        files,
        path,
        { level: file.level, minTxid: file.minTxid, maxTxid: file.maxTxid },
        async (handle, found) => {
          const header = new Uint8Array(Math.min(HEADER_BYTES, found.size))
          await readInto(files, handle, header, 0, name)
          const info = infoOf(file, found)
          return { ...info, createdAt: headerTime(header) ?? info.createdAt }
        },
      ),
    )
  }

  getObject(name: string, { signal }: RequestOptions = {}): Promise<TaggedObject | undefined> {
    return this.#session.retried(this.#subject('GET', 'reading', this.#path(name), signal), (files) =>
      new NumberedObjects(this.#numbered(files, signal)).get(name),
    )
  }

  /**
   * Writes a small object in a single attempt. A retry after a lost response could not tell which
   * writer's object exists. The owner of a lease must know which writer's object exists.
   */
  putObject(name: string, data: Uint8Array, ifTag: string | null, { signal }: RequestOptions = {}): Promise<string> {
    return this.#session.once(this.#subject('PUT', 'writing', this.#path(name), signal), (files) =>
      new NumberedObjects(this.#numbered(files, signal)).put(name, data, ifTag),
    )
  }

  async deleteObject(name: string, ifTag: string, { signal }: RequestOptions = {}): Promise<void> {
    await this.#session.once(this.#subject('DELETE', 'deleting', this.#path(name), signal), (files) =>
      new NumberedObjects(this.#numbered(files, signal)).put(name, new Uint8Array(), ifTag),
    )
  }

  #numbered(files: RemoteFiles, signal: AbortSignal | undefined): NumberedFolder {
    const label = (name: string) => this.#session.target(this.#path(name))
    return {
      label,
      names: async (wanted) =>
        (await entriesOf(files, this.#root, ({ name }) => wanted(name), this.#session.target(this.#root))).map(
          ({ name }) => name,
        ),
      isFile: async (name) => (await files.statIfThere(this.#path(name)))?.isFile ?? true,
      read: async (name) => {
        try {
          return await this.#opened(files, this.#path(name), undefined, async (handle, { size }) => {
            checkTaggedSize(size, label(name))
            const data = new Uint8Array(size)
            await readInto(files, handle, data, 0, label(name))
            return data
          })
        } catch (error) {
          if (isStatus(error, STATUS.noSuchFile)) return undefined
          throw error
        }
      },
      create: (name, data) => this.#createNumbered(files, name, data, signal),
      remove: (name) => files.remove(this.#path(name)),
    }
  }

  async #createNumbered(
    files: RemoteFiles,
    name: string,
    data: Uint8Array,
    signal: AbortSignal | undefined,
  ): Promise<boolean> {
    const path = this.#path(name)
    const label = this.#session.target(path)
    const subject = this.#subject('PUT', 'writing', path, signal)
    await this.#prepare(files, this.#root)
    const temporary = `${this.#root}/${temporaryPath(path).slice(path.lastIndexOf('/') + 1)}`
    try {
      await uploadTo(this.#session, subject, temporary, data, { timestamp: Date.now(), concurrent: false })
      await this.#nameOnce(files, temporary, path, label)
      return true
    } catch (error) {
      await this.#removeTemporary(temporary)
      if (error instanceof LitestreamError && error.code === 'PRECONDITION_FAILED') return false
      throw error
    }
  }

  async *#folder(folder: string, { signal }: RequestOptions = {}): AsyncGenerator<FolderEntry> {
    const path = this.#path(folder)
    const label = this.#session.target(path)
    const entries = await this.#session.retried(this.#subject('LIST', 'listing', path, signal), (files) =>
      entriesOf(files, path, ({ isFile, isDirectory }) => isFile || isDirectory, label),
    )
    for (const { name, isFile, size, mtime, mode } of entries) {
      yield { name, isFile, size, createdAt: mtime * 1000, mode }
    }
  }

  stats(): Readonly<Record<Operation, OperationStats>> {
    return this.#session.counters.snapshot()
  }

  async close(waiting: WaitOptions = {}): Promise<void> {
    await withDeadline(`closing ${this.url}`, waiting, () => this.#close(), { abandon: true })
  }

  async #close(): Promise<void> {
    this.#session.close()
  }

  #subject(operation: Operation, doing: string, path: string, signal: AbortSignal | undefined): Subject {
    return { operation, doing, path, signal }
  }

  #path(name: string): string {
    return this.#root === '/' ? `/${name}` : `${this.#root}/${name}`
  }

  #file(file: LtxFileRef): string {
    return this.#path(relativeName(file))
  }
}

/**
 * Whether a file is an empty file with which a writer has claimed a name. An LTX file is never
 * empty, so an empty file is either a claim or a file of another program.
 */
function isClaim({ size }: { readonly size: number }): boolean {
  return size === 0
}

function infoOf({ level, minTxid, maxTxid }: LtxFileRef, stats: RemoteStats): LtxFileInfo {
  return { level, minTxid, maxTxid, createdAt: stats.mtime * 1000, ...versionOf(stats), mode: stats.mode }
}

/**
 * The version of a file is its mtime. A primary sets the mtime to the LTX timestamp in whole
 * seconds. Files that two primaries have written therefore usually have different versions.
 */
function versionOf({ size, mtime }: RemoteStats): FoundFile {
  return { size, version: String(mtime) }
}

function checkUnchanged(first: RemoteStats, now: RemoteStats, name: string): void {
  const listed = { level: 0, minTxid: 0, maxTxid: 0, createdAt: 0, ...versionOf(first) }
  if (!isSameFile(listed, versionOf(now))) throw replacedError(listed, versionOf(now), name)
}

function notFound(name: string): LitestreamError {
  return new LitestreamError('NOT_FOUND', `${name} is empty: its writer has not finished the file`, { file: name })
}

/**
 * If the caller gives any authentication method, the client ignores all authentication methods of
 * the URL.
 */
function merged(url: SftpSettings, given: SftpSettings): SftpSettings {
  const login = ['password', 'keyPath', 'passphrase', 'agent'] as const
  return mergedSettings(url, given, Object.fromEntries(login.map((key) => [key, login])))
}
