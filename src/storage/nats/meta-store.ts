import { parseFileName } from '../../ltx/file-name.js'
import { elapsedMs } from '../../util/elapsed.js'
import { runAll } from '../../util/run-all.js'
import { compareFiles } from '../keys.js'
import type { LtxFileInfo } from '../replica-client.js'
import { readMessages, type StreamMessage } from './consumer.js'
import { allMetaSubjects, metaSubject, nameOfMeta } from './names.js'
import { checkMeta, factsOf, isPresent, metaOf, type ObjectMeta, type StoredMeta } from './object-meta.js'
import { raced } from './raced.js'
import type { NatsSession, Request } from './session.js'
import { infoWithSubjects, leavesOut } from './stream-subjects.js'

/**
 * Milliseconds after which a listing requests the metadata of all objects again. Until WHOLE_EVERY
 * has passed, a listing requests only the changes after the previous listing. The changes include
 * all writes and deletions by clients. Messages that an operator purged from the stream are not
 * included.
 */
const WHOLE_EVERY = 10 * 60_000

/**
 * The value of WHOLE_EVERY for a server that leaves messages out of deliveries. If a client deletes
 * an object and writes it again, a server that leaves messages out may also leave this object out.
 */
const WHOLE_EVERY_LEAVING_OUT = 30_000

/**
 * Milliseconds for which a deletion marker stays in the stream. Other clients learn of a deletion
 * from its deletion marker. NOTE_KEPT is greater than WHOLE_EVERY.
 */
const NOTE_KEPT = 60 * 60_000

/**
 * Number of objects whose metadata a listing requests in parallel, with one request per object. A
 * listing requests the metadata of an object singly if the server has left the metadata out of a
 * delivery.
 */
const MISSING_CONCURRENCY = 8

interface Entry extends StoredMeta {
  /** The LTX file, or undefined if the object is not an LTX file. */
  readonly file: LtxFileInfo | undefined
}

/** The position up to which the cache has read the stream. */
interface Synced {
  /**
   * Creation time of the stream. Sequence numbers of a stream with another creation time refer to
   * other messages.
   */
  readonly created: string
  readonly lastSeq: number
  /**
   * Time of the latest read that requested the metadata of all objects. The time is a value of
   * `elapsedMs()`.
   */
  readonly wholeAt: number
}

/**
 * A cache of the metadata of one replica's objects. The cache can request the metadata of a single
 * object, or of all objects together.
 */
export class MetaStore {
  readonly #session: NatsSession
  /** Prefix of the object names. The prefix is empty or ends with a slash. */
  readonly #prefix: string
  readonly #entries = new Map<string, Entry>()
  /**
   * The time at which the server stored each deletion marker of this replica, in milliseconds since
   * the epoch. The key of a time is the marker's sequence in the stream.
   */
  readonly #notes = new Map<number, number>()
  #synced: Synced | undefined
  /**
   * Names of objects that are deleted according to the cache. The deletion markers of deleted
   * objects may still be in the stream.
   */
  readonly #gone = new Set<string>()
  #running: Promise<void> | undefined
  #queued: Promise<void> | undefined

  constructor(session: NatsSession, prefix: string) {
    this.#session = session
    this.#prefix = prefix
  }

  /**
   * Returns the cached metadata of an object. Returns undefined if the cached metadata is damaged,
   * because a client may have replaced the metadata meanwhile.
   */
  remembered(name: string): StoredMeta | undefined {
    const entry = this.#entries.get(name)
    return entry?.meta.fault === undefined ? entry : undefined
  }

  remember({ seq, meta }: StoredMeta): void {
    if (!meta.name.startsWith(this.#prefix) || (this.#entries.get(meta.name)?.seq ?? 0) > seq) return
    if (isPresent(meta)) {
      this.#entries.set(meta.name, { seq, meta, file: this.#fileOf(meta) })
      this.#gone.delete(meta.name)
    } else {
      this.#entries.delete(meta.name)
      this.#gone.add(meta.name)
    }
  }

  forget(name: string): void {
    this.#entries.delete(name)
  }

  /**
   * Requests the metadata of an object from the leader of the stream. The object may be deleted.
   * Returns undefined if the stream has no metadata of the object.
   */
  async fetch(request: Request & { readonly name: string }): Promise<StoredMeta | undefined> {
    const stored = await this.#session.request(request, () => this.ask(request.name))
    if (stored === undefined) this.forget(request.name)
    else this.remember(stored)
    return stored
  }

  /**
   * Requests the metadata of an object. `ask` counts and retries nothing, because the caller runs
   * `ask` inside a request of the session.
   */
  async ask(name: string): Promise<StoredMeta | undefined> {
    const { bucket, jsm, stream } = this.#session
    const message = await jsm.streams.getMessage(stream, { last_by_subj: metaSubject(bucket, name) })
    if (message === null) return undefined
    return { seq: message.seq, meta: metaOf(name, message.data) }
  }

  /**
   * Returns the names of all existing objects in no particular order. The names include the prefix.
   */
  async names(signal: AbortSignal | undefined): Promise<readonly string[]> {
    await raced(this.#refresh(), `listing ${this.#session.label()}`, signal)
    return [...this.#entries.keys()]
  }

  /**
   * Returns the current files of one level in ascending order. Throws STORAGE_FAILED if the
   * metadata of a file of this level is damaged.
   */
  async list(level: number, fromTxid: number, signal: AbortSignal | undefined): Promise<LtxFileInfo[]> {
    await raced(this.#refresh(), `listing ${this.#session.label()}`, signal)
    const files: LtxFileInfo[] = []
    for (const { file, meta } of this.#entries.values()) {
      if (file === undefined || file.level !== level || file.minTxid < fromTxid) continue
      checkMeta(meta, this.#session.label(meta.name))
      files.push(file)
    }
    return files.sort(compareFiles)
  }

  /**
   * Removes up to `limit` old deletion markers from the cache and returns their sequences. The
   * caller must remove the same markers from the stream.
   */
  takeOldNotes(limit: number): number[] {
    const taken: number[] = []
    for (const [seq, storedAt] of this.#notes) {
      if (taken.length === limit || Date.now() - storedAt < NOTE_KEPT) break
      taken.push(seq)
      this.#notes.delete(seq)
    }
    return taken
  }

  /**
   * Reads the stream. Reading begins after the call of #refresh(), and several callers may share
   * one read.
   */
  #refresh(): Promise<void> {
    if (this.#queued !== undefined) return this.#queued
    if (this.#running === undefined) return this.#begin()
    const next = () => {
      this.#queued = undefined
      return this.#begin()
    }
    this.#queued = this.#running.then(next, next)
    return this.#queued
  }

  #begin(): Promise<void> {
    const running = this.#sync().finally(() => {
      this.#running = undefined
    })
    this.#running = running
    return running
  }

  async #sync(): Promise<void> {
    const request = { operation: 'LIST', doing: 'listing' } as const
    const { bucket, jsm, stream } = this.#session
    const filter = allMetaSubjects(bucket)
    const last = this.#synced
    const checked = leavesOut(this.#session)
    const patience = checked ? WHOLE_EVERY_LEAVING_OUT : WHOLE_EVERY
    const due = last === undefined || elapsedMs() - last.wholeAt > patience
    const known = checked && due ? await infoWithSubjects(this.#session, request, filter) : undefined
    const { created, state } = known ?? (await this.#session.request(request, () => jsm.streams.info(stream)))
    const other = last === undefined || last.created !== created || state.last_seq < last.lastSeq
    if (other) {
      this.#entries.clear()
      this.#notes.clear()
    }
    const whole = other || due
    if (!whole && state.last_seq === last.lastSeq) return
    const { messages, complete } = await readMessages(this.#session, request, {
      filter,
      start: whole ? 'latest-of-each' : { sequence: last.lastSeq + 1 },
      upTo: state.last_seq,
    })
    if (whole) this.#forgetAllBut(messages, state.last_seq)
    for (const message of messages) this.#take(message)
    if (!complete || checked) {
      const { subjects } = complete && known ? known : await infoWithSubjects(this.#session, request, filter)
      await this.#fetchMissing(subjects, request)
    }
    this.#synced = { created, lastSeq: state.last_seq, wholeAt: whole ? elapsedMs() : last.wholeAt }
  }

  /** Requests the metadata of existing objects that the cache does not know. */
  async #fetchMissing(subjects: readonly string[], request: Request): Promise<void> {
    const isKnown = (name: string) => this.#entries.has(name) || this.#gone.has(name)
    const missing = subjects
      .map((subject) => nameOfMeta(this.#session.bucket, subject))
      .filter((name) => name.startsWith(this.#prefix) && !isKnown(name))
    const fetches = missing.map((name) => () => this.fetch({ ...request, operation: 'HEAD', name }))
    await runAll(MISSING_CONCURRENCY, fetches)
  }

  #take({ seq, subject, storedAt, data }: StreamMessage): void {
    const meta = metaOf(nameOfMeta(this.#session.bucket, subject), data)
    this.remember({ seq, meta })
    if (meta.deleted && meta.name.startsWith(this.#prefix)) this.#notes.set(seq, storedAt)
  }

  /**
   * Removes each cached object whose metadata message is not among `messages`. The metadata
   * messages of the removed objects have disappeared from the stream without a deletion marker.
   * Objects whose sequence number is above `lastSeq` stay in the cache.
   */
  #forgetAllBut(messages: readonly StreamMessage[], lastSeq: number): void {
    const there = new Set(messages.map(({ seq }) => seq))
    for (const [name, { seq }] of this.#entries) if (seq <= lastSeq && !there.has(seq)) this.#entries.delete(name)
    this.#notes.clear()
    this.#gone.clear()
  }

  #fileOf(meta: ObjectMeta): LtxFileInfo | undefined {
    const match = /^ltx\/([0-9])\/([^/]+)$/.exec(meta.name.slice(this.#prefix.length))
    const range = match === null ? undefined : parseFileName(match[2]!)
    return range && { level: Number(match![1]), ...range, ...factsOf(meta) }
  }
}
