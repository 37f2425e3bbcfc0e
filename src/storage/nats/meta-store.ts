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
 * Milliseconds after which a listing requests all descriptions again. In between, it requests the
 * changes since the last one, which include every write and every deletion by a client, but not
 * messages that an operator purged from the stream.
 */
const WHOLE_EVERY = 10 * 60_000

/**
 * WHOLE_EVERY for a server that leaves messages out, also of an object that is written again after
 * its deletion.
 */
const WHOLE_EVERY_LEAVING_OUT = 30_000

/**
 * How long the note about a deletion is kept for other clients, in milliseconds: longer than
 * WHOLE_EVERY.
 */
const NOTE_KEPT = 60 * 60_000

/**
 * Number of objects that a listing requests one by one in parallel, if the server has left them
 * out.
 */
const MISSING_CONCURRENCY = 8

interface Entry extends StoredMeta {
  /** Undefined for an object that is not an LTX file. */
  readonly file: LtxFileInfo | undefined
}

/** The position up to which the cache has followed the stream. */
interface Synced {
  /** Creation time of the stream: sequences of another stream are unrelated. */
  readonly created: string
  readonly lastSeq: number
  /** By `elapsedMs()`. */
  readonly wholeAt: number
}

/** The cached descriptions of one replica's objects, requested one by one or all together. */
export class MetaStore {
  readonly #session: NatsSession
  /** With a slash at its end, or empty. */
  readonly #prefix: string
  readonly #entries = new Map<string, Entry>()
  /**
   * Deleted objects whose note is still in the stream: the time at which it was stored, by its
   * sequence.
   */
  readonly #notes = new Map<number, number>()
  #synced: Synced | undefined
  /** Objects whose last known state is "deleted" and whose note may still be in the stream. */
  readonly #gone = new Set<string>()
  #running: Promise<void> | undefined
  #queued: Promise<void> | undefined

  constructor(session: NatsSession, prefix: string) {
    this.#session = session
    this.#prefix = prefix
  }

  /**
   * The last known description of an object; undefined for a damaged one, which may have been
   * replaced.
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
   * The description that the stream's leader has of an object, deleted or not; undefined if there
   * is none.
   */
  async fetch(request: Request & { readonly name: string }): Promise<StoredMeta | undefined> {
    const stored = await this.#session.request(request, () => this.ask(request.name))
    if (stored === undefined) this.forget(request.name)
    else this.remember(stored)
    return stored
  }

  /** `fetch` as part of a request. */
  async ask(name: string): Promise<StoredMeta | undefined> {
    const { bucket, jsm, stream } = this.#session
    const message = await jsm.streams.getMessage(stream, { last_by_subj: metaSubject(bucket, name) })
    if (message === null) return undefined
    return { seq: message.seq, meta: metaOf(name, message.data) }
  }

  /** The names of all present objects, with the prefix, in no order. */
  async names(signal: AbortSignal | undefined): Promise<readonly string[]> {
    await raced(this.#refresh(), `listing ${this.#session.label()}`, signal)
    return [...this.#entries.keys()]
  }

  /**
   * The current files of one level, ascending. Throws STORAGE_FAILED if the description of one is
   * damaged.
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
   * Removes up to `limit` old notes of deletions from the cache; the caller removes them from the
   * stream.
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

  /** Reads the stream, beginning after this call: concurrent callers share the next read. */
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

  /** Requests existing objects that were never seen before. */
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
   * Cached objects that are not among the messages were removed without a note; objects newer than
   * this read of the stream stay.
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
