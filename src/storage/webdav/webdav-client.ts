import { createHash } from 'node:crypto'
import { isLitestreamError, LitestreamError } from '../../errors.js'
import { isAbandoned, temporaryPath } from '../../fs/temporary.js'
import { parseFileName } from '../../ltx/file-name.js'
import { throwIfAborted } from '../../util/abort.js'
import { elapsedMs } from '../../util/elapsed.js'
import { runAll } from '../../util/run-all.js'
import { type WaitOptions, withDeadline } from '../../util/wait.js'
import { gather } from '../body-reader.js'
import { EntityTags, versionOf } from '../entity-tags.js'
import { HEADER_BYTES, headerTime } from '../header-time.js'
import { type DownloadedFiles, type FoundCheck, readRange, streamFrom } from '../http-download.js'
import { compareFiles, levelDirectory, relativeName } from '../keys.js'
import { type FolderEntry, legacyTree } from '../legacy-tree.js'
import { checkedListing, checkFacts } from '../listing.js'
import { mergedSettings } from '../merged-settings.js'
import { openedClient } from '../opened-client.js'
import type { OutageListener } from '../outage.js'
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
import { isPassing } from '../retry.js'
import { checkTaggedSize, MAX_TAGGED_OBJECT } from '../tagged-size.js'
import { unconfirmed } from '../unconfirmed.js'
import { storeFolder, walkReplicas } from '../walk-folders.js'
import { type AskedGuarantees, askedGuarantees, type WriteGuarantees } from '../write-guarantees.js'
import { download } from './download.js'
import { statusError } from './errors.js'
import { entriesOf, foldersIn, makeFolders } from './folder.js'
import { encodePath, type WebdavLocation, webdavUrl } from './location.js'
import { type HeldLock, WebdavLocks } from './locks.js'
import { type Subject, WebdavRequests } from './requests.js'
import type { WebdavSettings } from './settings.js'
import { type StagedBody, stageBody } from './staged-body.js'

/**
 * Apache checks for a lock and adds its own lock in two steps. Two LOCK requests within a few
 * milliseconds may therefore both succeed.
 */
const RACING_LOCKS = 'a WebDAV server may grant a lock to two clients that request it at the same moment'

/** Number of files that the client deletes in parallel. */
const DELETE_CONCURRENCY = 8

/**
 * Milliseconds for which the client trusts the proof that the server speaks WebDAV. During
 * CONFIRMED_FOR, the client accepts status 404 for a folder without a new proof.
 */
const CONFIRMED_FOR = 5_000

/**
 * A client of a replica in a folder of a WebDAV server. Files are named
 * `<path>/ltx/<level>/<min>-<max>.ltx`.
 */
export class WebdavReplicaClient implements ReplicaClient {
  readonly type = 'webdav'
  readonly url: string
  readonly legacy: LegacyObjects
  /**
   * WebDAV guarantees neither create-only writes nor compare-and-set. Even with the lock, two
   * writers of one name may in rare cases both succeed.
   */
  readonly guarantees: AskedGuarantees
  readonly #root: string
  readonly #requests: WebdavRequests
  readonly #locks: WebdavLocks
  readonly #tags: EntityTags
  readonly #files: DownloadedFiles
  readonly #ready = new Set<string>()
  /** Whether the client sends the destination of MOVE as a path instead of a URL. */
  #pathOnly = false
  /** Time at which the server last proved that it speaks WebDAV, as a value of `elapsedMs()`. */
  #confirmedAt = Number.NEGATIVE_INFINITY

  private constructor(location: WebdavLocation, requests: WebdavRequests) {
    this.url = webdavUrl(location)
    this.#root = location.path
    this.#requests = requests
    this.#locks = new WebdavLocks(requests, location.path)
    this.#tags = new EntityTags((file, signal) => this.#listed(file, signal))
    this.#files = {
      target: (file) => requests.target(this.#file(file)),
      stat: (file, options) => this.stat(file, options),
      download: (file, range, signal) => {
        const subject = this.#subject('GET', 'reading', this.#file(file), signal)
        return download(requests, subject, range, this.#check(file, subject))
      },
    }
    this.guarantees = askedGuarantees(
      () => this.#guarantees,
      (options) => this.#askGuarantees(options),
    )
    this.legacy = {
      list: (prefix, options) => legacyTree(prefix, (folder) => this.#folder(folder, options)),
      stream: (name, { signal } = {}) =>
        download(requests, this.#subject('GET', 'reading', this.#path(name), signal), { offset: 0 }).chunks,
    }
  }

  /**
   * Asks the server for its features and checks the folder. If the folder does not exist, the first
   * write creates it. Throws CONFIG_INVALID for an unusable file of certificate authorities. Throws
   * ACCESS_DENIED for a failed authentication or a refused certificate, and UNAVAILABLE if the
   * server does not speak WebDAV.
   */
  static async open(
    location: WebdavLocation,
    given: WebdavSettings = {},
    signal?: AbortSignal,
    policy: Partial<RequestPolicy> = {},
    onOutage?: OutageListener,
  ): Promise<WebdavReplicaClient> {
    const requests = await WebdavRequests.prepare(location, merged(location.settings, given), policy, onOutage)
    const client = new WebdavReplicaClient(location, requests)
    return openedClient(client, async () => {
      await client.#confirm(signal)
      await client.#checkRoot(signal)
    })
  }

  /**
   * Checks the settings and reads the files that they name, without connecting. Throws the errors
   * that `open` would throw for the settings and files. Returns the guarantees that every WebDAV
   * server has.
   */
  static async check(location: WebdavLocation, given: WebdavSettings = {}): Promise<WriteGuarantees> {
    const requests = await WebdavRequests.prepare(location, merged(location.settings, given))
    requests.close()
    return { createOnly: false, compareAndSet: false, reason: RACING_LOCKS }
  }

  /**
   * Throws an error if the server does not report that it speaks WebDAV. Without this check, the
   * client could take a gateway's status 404 for an empty replica.
   */
  async #confirm(signal: AbortSignal | undefined): Promise<void> {
    if (elapsedMs() - this.#confirmedAt < CONFIRMED_FOR) return
    const subject = this.#subject('HEAD', 'opening', this.#root, signal)
    await this.#requests.retried(subject, async () => {
      for (const path of new Set([`${this.#root}/`, '/'])) {
        const { headers } = await this.#requests.send(subject, {
          method: 'OPTIONS',
          path,
          accept: [200, 204, 404, 405],
        })
        const dav = headers.dav
        if (dav === undefined) continue
        this.#locks.announce(String(dav))
        this.#confirmedAt = elapsedMs()
        return
      }
      const target = this.#requests.target(this.#root)
      throw unconfirmed(`opening ${target}`, 'the server does not support WebDAV (its reply has no header DAV)', target)
    })
  }

  /** The guarantees of the server, or undefined before the client has requested its first lock. */
  get #guarantees(): WriteGuarantees | undefined {
    const { reason, isProved } = this.#locks
    if (reason === undefined && !isProved) return undefined
    return { createOnly: false, compareAndSet: false, reason: reason ?? RACING_LOCKS }
  }

  async #askGuarantees({ signal }: RequestOptions = {}): Promise<WriteGuarantees> {
    await this.#locked(this.#subject('PUT', 'locking', this.#root, signal), async () => undefined)
    return this.#guarantees!
  }

  /**
   * Sends a PROPFIND for the replica's folder, because some servers answer OPTIONS without
   * authentication.
   */
  async #checkRoot(signal: AbortSignal | undefined): Promise<void> {
    const subject = this.#subject('HEAD', 'opening', this.#root, signal)
    await this.#requests.retried(subject, () =>
      this.#requests.send(subject, {
        method: 'PROPFIND',
        path: `${this.#root}/`,
        headers: { depth: '0' },
        accept: [207, 404],
      }),
    )
  }

  async *list(level: number, { fromTxid = 0, signal }: ListOptions = {}): AsyncIterable<LtxFileInfo> {
    const path = this.#path(levelDirectory(level))
    const subject = this.#subject('LIST', 'listing', path, signal)
    const wanted = (name: string) => (parseFileName(name)?.minTxid ?? -1) >= fromTxid
    // Ignores empty files. An LTX file is never empty, but some servers keep an empty file after an
    // interrupted upload.
    const found = await entriesOf(
      this.#requests,
      subject,
      ({ name, isCollection, size }) => !isCollection && size !== 0 && wanted(name),
    )
    if (found === undefined) return this.#confirm(signal)
    const infos = found
      .map(({ name, size, modifiedAt, etag }) => ({
        level,
        ...parseFileName(name)!,
        size,
        createdAt: modifiedAt,
        version: versionOf(etag),
      }))
      .sort(compareFiles)
    yield* checkedListing(infos, { what: `listing ${this.#requests.target(path)}`, signal })
  }

  async #listed({ level, minTxid, maxTxid }: LtxFileRef, signal: AbortSignal | undefined) {
    for await (const file of this.list(level, { fromTxid: minTxid, ...(signal && { signal }) })) {
      if (file.minTxid === minTxid && file.maxTxid === maxTxid) return file
    }
    return undefined
  }

  async *replicas({ signal }: RequestOptions = {}): AsyncIterable<string> {
    const names = async (relative: string) => {
      const path = relative === '' ? this.#root : this.#path(relative)
      const found = await foldersIn(this.#requests, this.#subject('LIST', 'listing', path, signal))
      if (found === undefined) await this.#confirm(signal)
      return found ?? []
    }
    const list = (relative: string) => storeFolder(relative, names)
    yield* walkReplicas(list, { what: `listing the replicas below ${this.url}`, signal })
  }

  read(file: LtxFileRef, range: ByteRange, options?: ReadOptions): Promise<ReadResult> {
    return readRange(this.#files, file, range, options)
  }

  stream(file: LtxFileRef, options?: RequestOptions & { readonly offset?: number }): AsyncIterable<Uint8Array> {
    return streamFrom(this.#files, file, options)
  }

  #check(file: LtxFileRef, { path, signal }: Subject): FoundCheck {
    const target = this.#requests.target(path)
    return async ({ fileSize, version }) => {
      if (fileSize === 0) throw unfinished(target)
      await this.#tags.check(file, { size: fileSize, version: versionOf(version) }, { target, signal })
    }
  }

  async write(
    file: LtxFileRef,
    body: Uint8Array | AsyncIterable<Uint8Array>,
    { timestamp, createOnly = false, localFile, signal }: WriteOptions,
  ): Promise<LtxFileInfo> {
    const path = this.#file(file)
    const subject = this.#subject('PUT', 'writing', path, signal)
    const what = `writing ${this.#requests.target(path)}`
    throwIfAborted(signal, what)
    const staged = await stageBody(body, { what, ...(localFile ? { localFile } : {}), ...(signal ? { signal } : {}) })
    try {
      await this.#prepare(path.slice(0, path.lastIndexOf('/')), subject)
      await this.#publish(subject, staged, timestamp, createOnly)
    } finally {
      await staged.remove()
    }
    return { level: file.level, minTxid: file.minTxid, maxTxid: file.maxTxid, size: staged.size, createdAt: timestamp }
  }

  /**
   * Creates a folder if it is missing. The first call for a folder also removes temporary files
   * that dead writers have left in it.
   */
  async #prepare(folder: string, subject: Subject): Promise<void> {
    if (this.#ready.has(folder)) return
    const at = { ...subject, path: folder }
    const abandoned = await entriesOf(
      this.#requests,
      at,
      ({ name, isCollection }) => !isCollection && isAbandoned(name),
    )
    if (abandoned === undefined) await makeFolders(this.#requests, at, folder)
    for (const { name } of abandoned ?? []) await this.#delete(`${folder}/${name}`, subject)
    this.#ready.add(folder)
  }

  /**
   * Uploads a file under a temporary name, and then gives the file its final name. On any server,
   * an incomplete file therefore never has the name of an LTX file.
   */
  async #publish(subject: Subject, staged: StagedBody, timestamp: number, createOnly: boolean): Promise<void> {
    const { path, signal } = subject
    const temporary = `${path.slice(0, path.lastIndexOf('/'))}/${temporaryPath(path).slice(path.lastIndexOf('/') + 1)}`
    try {
      await this.#requests.retried(subject, () =>
        this.#requests.send(subject, {
          method: 'PUT',
          path: temporary,
          // Nextcloud, ownCloud and rclone take the mtime of the file from the header x-oc-mtime.
          headers: {
            'content-type': 'application/octet-stream',
            'x-oc-mtime': String(Math.max(0, Math.floor(timestamp / 1000))),
          },
          body: staged,
          accept: [200, 201, 204],
        }),
      )
      if (createOnly) await this.#nameOnce(subject, temporary)
      else await this.#move(subject, temporary, true)
    } catch (error) {
      if (!this.#requests.closing.aborted) {
        // If the temporary file cannot be removed now, a later writer removes it.
        await this.#delete(temporary, { ...subject, signal: undefined }).catch(() => undefined)
      }
      throwIfAborted(signal, `writing ${this.#requests.target(path)}`)
      throw error
    }
  }

  /**
   * Gives an uploaded file its final name. Fails if another file already has the name. If the
   * server has locks, the client holds the lock while it gives the name. Without a lock, another
   * writer may take the name between the check and the MOVE, because some servers ignore the header
   * `Overwrite`.
   */
  #nameOnce(subject: Subject, temporary: string): Promise<void> {
    return this.#requests.retried(subject, () =>
      this.#locked(subject, async (lock) => {
        if (await this.#exists(subject)) throw this.#taken(subject)
        lock?.check()
        if (!(await this.#move(subject, temporary, false))) throw this.#taken(subject)
      }),
    )
  }

  async #locked<T>(subject: Subject, act: (lock: HeldLock | undefined) => Promise<T>): Promise<T> {
    await this.#prepare(this.#root, subject)
    const lock = await this.#locks.lock(subject)
    try {
      return await act(lock)
    } finally {
      await lock?.release()
    }
  }

  /**
   * Gives a file another name with the request MOVE. Returns false if another file has the new name
   * and `overwrite` is false.
   */
  #move(subject: Subject, from: string, overwrite: boolean): Promise<boolean> {
    const destination = encodePath(subject.path)
    return this.#requests.retried(subject, async () => {
      try {
        const { status } = await this.#requests.send(subject, {
          method: 'MOVE',
          path: from,
          headers: {
            destination: this.#pathOnly ? destination : this.#requests.origin + destination,
            overwrite: overwrite ? 'T' : 'F',
          },
          accept: [200, 201, 204, 412, 502],
        })
        // A server behind a proxy that terminates TLS may take the destination URL for the URL of
        // another server.
        if (status === 502) {
          this.#pathOnly = !this.#pathOnly
          throw statusError(this.#attempted(subject), { status, headers: {} })
        }
        return status !== 412
      } catch (error) {
        // An earlier MOVE may have succeeded although its response was lost. The temporary name is
        // known only to this client. If the temporary file no longer exists, an earlier MOVE has
        // therefore succeeded.
        if (!isPassing(error) && !isLitestreamError(error, 'NOT_FOUND')) throw error
        if (await this.#exists({ ...subject, path: from })) throw error
        if (await this.#exists(subject)) return true
        throw error
      }
    })
  }

  #attempted({ doing, path }: Subject) {
    return { doing, target: this.#requests.target(path) }
  }

  /** Whether a file with the name exists and is not empty. */
  #exists(subject: Subject): Promise<boolean> {
    return this.#requests.retried(subject, async () => {
      const { status, headers } = await this.#requests.send(subject, { method: 'HEAD', accept: [200, 204, 404, 410] })
      return status < 300 && headers['content-length'] !== '0'
    })
  }

  #taken(subject: Subject): LitestreamError {
    const target = this.#requests.target(subject.path)
    return new LitestreamError('PRECONDITION_FAILED', `writing ${target} failed: the file exists`, { file: target })
  }

  async delete(files: readonly LtxFileRef[], { signal }: RequestOptions = {}): Promise<void> {
    const deletions = files.map((file) => () => {
      const path = this.#file(file)
      return this.#delete(path, this.#subject('DELETE', 'deleting', path, signal))
    })
    await runAll(DELETE_CONCURRENCY, deletions)
  }

  async #delete(path: string, { signal }: Subject): Promise<void> {
    const subject = this.#subject('DELETE', 'deleting', path, signal)
    await this.#requests.retried(subject, () =>
      this.#requests.send(subject, { method: 'DELETE', accept: [200, 204, 404, 410] }),
    )
  }

  /**
   * Returns size, time and version of a file. The time comes from the LTX header, because WebDAV
   * has no time that a client can set.
   */
  async stat(file: LtxFileRef, { signal }: RequestOptions = {}): Promise<LtxFileInfo> {
    const subject = this.#subject('HEAD', 'checking', this.#file(file), signal)
    const target = this.#requests.target(subject.path)
    const { chunks, found } = download(this.#requests, subject, { offset: 0, length: HEADER_BYTES }, async (first) => {
      if (first.fileSize === 0) throw unfinished(target)
    })
    const header = await gather(chunks, () => HEADER_BYTES)
    const { fileSize: size, version: tag, modifiedAt } = found()
    const version = versionOf(tag)
    const createdAt = headerTime(header) ?? modifiedAt ?? Number.NaN
    checkFacts({ size, createdAt, version }, target, `checking ${target}`)
    // The caller compares the returned version with the versions in listings. If the file is the
    // listed one, the result therefore has the version of the listing.
    const listed = 'size' in file ? (file as LtxFileInfo) : undefined
    const same = listed !== undefined && (await this.#tags.isSame(file, { size, version }, signal))
    const { level, minTxid, maxTxid } = file
    return { level, minTxid, maxTxid, size, createdAt, version: same ? (listed.version ?? version) : version }
  }

  async getObject(name: string, { signal }: RequestOptions = {}): Promise<TaggedObject | undefined> {
    const subject = this.#subject('GET', 'reading', this.#path(name), signal)
    const target = this.#requests.target(subject.path)
    try {
      const range = { offset: 0, length: MAX_TAGGED_OBJECT }
      const { chunks, found } = download(this.#requests, subject, range, async ({ fileSize }) => {
        checkTaggedSize(fileSize, target)
      })
      const data = await gather(chunks, () => found().fileSize)
      return data.byteLength === 0 ? undefined : { data, tag: tagOf(data) }
    } catch (error) {
      if (isLitestreamError(error, 'NOT_FOUND', 'INVALID_ARGUMENT')) return undefined
      throw error
    }
  }

  /**
   * Writes a small object. If the server has locks, the client holds the lock while it writes the
   * object. Without a lock, another writer may write between the client's check of the tag and its
   * write.
   */
  async putObject(
    name: string,
    data: Uint8Array,
    ifTag: string | null,
    { signal }: RequestOptions = {},
  ): Promise<string> {
    const subject = this.#subject('PUT', 'writing', this.#path(name), signal)
    await this.#change(name, subject, ifTag, async () => {
      await this.#requests.send(subject, {
        method: 'PUT',
        headers: { 'content-type': 'application/octet-stream' },
        body: { size: data.byteLength, open: () => [data] },
        accept: [200, 201, 204],
      })
    })
    return tagOf(data)
  }

  async deleteObject(name: string, ifTag: string, { signal }: RequestOptions = {}): Promise<void> {
    const subject = this.#subject('DELETE', 'deleting', this.#path(name), signal)
    await this.#change(name, subject, ifTag, async () => {
      await this.#requests.send(subject, { method: 'DELETE', accept: [200, 204, 404] })
    })
  }

  /** Calls `act` if the object still has the tag `ifTag`. */
  async #change(name: string, subject: Subject, ifTag: string | null, act: () => Promise<void>): Promise<void> {
    throwIfAborted(subject.signal, `${subject.doing} ${this.#requests.target(subject.path)}`)
    await this.#locked(subject, async (lock) => {
      const there = await this.getObject(name, subject.signal ? { signal: subject.signal } : {})
      if ((there?.tag ?? null) !== ifTag) throw this.#wasChanged(subject)
      lock?.check()
      await act()
    })
  }

  #wasChanged({ doing, path }: Subject): LitestreamError {
    const target = this.#requests.target(path)
    return new LitestreamError(
      'PRECONDITION_FAILED',
      `${doing} ${target} failed: the object was changed by another process`,
      { file: target },
    )
  }

  async *#folder(folder: string, { signal }: RequestOptions = {}): AsyncGenerator<FolderEntry> {
    const subject = this.#subject('LIST', 'listing', this.#path(folder), signal)
    const found = await entriesOf(this.#requests, subject, () => true)
    if (found === undefined) return this.#confirm(signal)
    for (const { name, isCollection, size, modifiedAt } of found) {
      yield { name, isFile: !isCollection, size, createdAt: modifiedAt }
    }
  }

  stats(): Readonly<Record<Operation, OperationStats>> {
    return this.#requests.counters.snapshot()
  }

  async close(waiting: WaitOptions = {}): Promise<void> {
    await withDeadline(`closing ${this.url}`, waiting, () => this.#close(), { abandon: true })
  }

  async #close(): Promise<void> {
    this.#requests.close()
  }

  #subject(operation: Operation, doing: string, path: string, signal: AbortSignal | undefined): Subject {
    return { operation, doing, path, signal }
  }

  #path(name: string): string {
    return `${this.#root}/${name}`
  }

  #file(file: LtxFileRef): string {
    return this.#path(relativeName(file))
  }
}

/**
 * Returns a hash of the object's content, because some servers derive entity tags from a time in
 * whole seconds.
 */
function tagOf(data: Uint8Array): string {
  return createHash('sha256').update(data).digest('hex')
}

function unfinished(target: string): LitestreamError {
  return new LitestreamError('NOT_FOUND', `${target} is empty: its writer has not finished the file`, { file: target })
}

/** If the caller gives a user, the client ignores the password of the URL. */
function merged(url: WebdavSettings, given: WebdavSettings): WebdavSettings {
  return mergedSettings(url, given, { username: ['password'] })
}
