import { LitestreamError, toLitestreamError } from '../errors.js'
import { DEFAULT_LEASE_TTL } from '../levels/lease-ttl.js'
import { MAX_COMPACTION_LEVEL } from '../ltx/format.js'
import { READ_AHEAD_KINDS, type ReadAheadKind } from '../native/read-ahead.js'
import { type EncryptionSettings, listOf } from '../storage/encrypted/settings.js'
import { type ByteSize, parseByteSize } from '../util/byte-size.js'
import * as check from '../util/check-arguments.js'
import { type Duration, parseDuration } from '../util/duration.js'
import { nearest } from '../util/nearest.js'

/** How a replica is opened. */
export interface ReplicaOptions {
  /** Longest interval between two polls of the store. Default 1 s. */
  readonly pollInterval?: Duration
  /**
   * Longest poll interval while idle: grows to this after ten polls without new files; any new file
   * resets it. Default: as `pollInterval`; at most half of `maxStale`.
   */
  readonly idlePollInterval?: Duration
  /** Size of the decoded pages in memory, shared by all connections. Default 64 MiB. */
  readonly cacheSize?: ByteSize
  /**
   * Path of a full local copy that is filled while the replica serves reads; kept between runs.
   * True: a temporary file, which is removed when the replica is closed.
   */
  readonly hydrate?: string | true
  /** Directory that caches fetched bytes between runs; several processes may share it. */
  readonly diskCache?: string
  /** Maximum size of the disk cache. Default 1 GiB. */
  readonly diskCacheSize?: ByteSize
  /** How long to wait for a replica that has no files yet. Default 30 s. */
  readonly openTimeout?: Duration
  /** Maximum time for one page before the read fails. Default 30 s. */
  readonly readTimeout?: Duration
  /** Reads fail if no poll has succeeded for this long. Default: never; `lag` reports the time. */
  readonly maxStale?: Duration
  /** Maximum number of concurrent requests to the store. Default 16. */
  readonly concurrency?: number
  /** Kinds of prefetch: all of them (default), none, or some; see docs/replicas.md. */
  readonly readAhead?: 'all' | 'none' | readonly ReadAheadKind[]
  /**
   * Whether a request that takes much longer than others is sent a second time; the first response
   * counts. Default true.
   */
  readonly hedge?: boolean
  /** Encryption of the replica; see docs/encryption.md. Default: that of the environment. */
  readonly encryption?: EncryptionSettings
  /** Lets connections write: their commits become the next files of the replica. Default false. */
  readonly write?: boolean | ReplicaWriteOptions
}

/** Intervals of levels 1, 2 and 3, milliseconds: those of a primary. */
const DEFAULT_LEVELS: readonly number[] = [30_000, 300_000, 3_600_000]

/** Maximum number of concurrent requests to the store. */
const MAX_CONCURRENCY = 1000

/** Checks of the options of `openReplica`; resolveOptions parses text values. */
export const REPLICA_OPTION_CHECKS: check.OptionChecks<ReplicaOptions> = {
  pollInterval: check.duration(1),
  idlePollInterval: check.duration(1),
  cacheSize: check.byteSize(),
  hydrate: (value) => (value === true ? undefined : check.text(value) && 'a path or true'),
  diskCache: check.text,
  diskCacheSize: check.byteSize(),
  openTimeout: check.duration(),
  readTimeout: check.duration(1),
  maxStale: check.duration(1),
  concurrency: check.integerFrom(1, MAX_CONCURRENCY),
  readAhead: (value) => (isReadAhead(value) ? undefined : `'all', 'none' or a list of ${READ_AHEAD_KINDS.join(', ')}`),
  hedge: check.flag,
  encryption: check.object,
  write: (value) => (typeof value === 'boolean' ? undefined : check.object(value) && 'true, false or an object'),
}

const WRITE_OPTION_CHECKS: check.OptionChecks<ReplicaWriteOptions> = {
  durability: check.oneOf('store', 'local'),
  syncInterval: check.duration(),
  bufferPath: check.text,
  lease: check.either(false, check.duration()),
  compaction: (value) => (isCompaction(value) ? undefined : 'true, false or a list of durations'),
}

function isReadAhead(value: unknown): boolean {
  if (!Array.isArray(value)) return value === 'all' || value === 'none'
  return value.length > 0 && value.every((kind) => READ_AHEAD_KINDS.includes(kind))
}

function isCompaction(value: unknown): boolean {
  if (!Array.isArray(value)) return typeof value === 'boolean'
  return value.length > 0 && value.every((interval) => check.finiteDuration(1)(interval) === undefined)
}

/** How connections write. See docs/writing.md. */
export interface ReplicaWriteOptions {
  /**
   * When COMMIT returns. `store` (default): when the commit is in the store. `local`: when it is in
   * the local buffer; commits are merged and uploaded every `syncInterval`.
   */
  readonly durability?: 'store' | 'local'
  /** With `local`: interval between two uploads. Default 1 s. */
  readonly syncInterval?: Duration
  /**
   * With `local`: path of the file that holds commits until they are uploaded. Default: memory
   * only, which a crash loses.
   */
  readonly bufferPath?: string
  /**
   * How long the lease is valid without renewal; false: no lease. Default 30 s.
   */
  readonly lease?: Duration | false
  /**
   * Whether this process compacts the replica while it holds the lease: true, false, or the
   * intervals of levels 1, 2, … (default: 30 s, 5 m and 1 h). Without a lease the default is false,
   * because two processes must not compact one replica.
   */
  readonly compaction?: boolean | readonly Duration[]
}

export interface ResolvedWriteOptions {
  readonly durability: 'store' | 'local'
  /** Milliseconds. */
  readonly syncInterval: number
  readonly bufferPath: string | undefined
  /** Milliseconds; undefined: no lease. */
  readonly lease: number | undefined
  /** Intervals of levels 1, 2, …, milliseconds; undefined: this process does not compact. */
  readonly compaction: readonly number[] | undefined
  /** How long a connection waits for the RESERVED lock, and for a commit, in milliseconds. */
  readonly timeout: number
}

export interface ResolvedReplicaOptions {
  readonly url: string
  /** Milliseconds. */
  readonly pollInterval: number
  /** Milliseconds; at least `pollInterval`. */
  readonly idlePollInterval: number
  /** Bytes. */
  readonly cacheSize: number
  /** The path of a local copy; true: a temporary file; undefined: none. */
  readonly hydrate: string | true | undefined
  readonly diskCache: string | undefined
  /** Bytes. */
  readonly diskCacheSize: number
  /** Milliseconds. */
  readonly openTimeout: number
  readonly readTimeout: number
  /** Infinity: reads never fail because of the age. */
  readonly maxStale: number
  readonly concurrency: number
  readonly readAhead: ReadonlySet<ReadAheadKind>
  readonly hedge: boolean
  /** Undefined: that of the environment, if any. */
  readonly encryption: EncryptionSettings | undefined
  /** Undefined: connections are read-only. */
  readonly write: ResolvedWriteOptions | undefined
}

const BOOLEANS: Readonly<Record<string, boolean>> = {
  true: true,
  '1': true,
  on: true,
  false: false,
  '0': false,
  off: false,
}

/** The parameter names in a URI. In the environment: LITESTREAM_ and the name in capitals. */
export const PARAMETERS = [
  'replica_url',
  'poll_interval',
  'cache_size',
  'hydration_enabled',
  'hydration_path',
  'disk_cache',
  'disk_cache_size',
  'open_timeout',
  'read_timeout',
  'max_stale',
  'concurrency',
  'read_ahead',
  'hedge',
  'idle_poll_interval',
  'write_enabled',
  'durability',
  'sync_interval',
  'buffer_path',
  'lease',
  'compaction',
  'age_identities',
  'age_recipients',
  'age_passphrase',
] as const
/** Opening the store reads the environment for these (src/storage/encrypted/settings.ts). */
const ENCRYPTION_PARAMETERS: readonly string[] = ['age_identities', 'age_recipients', 'age_passphrase']
/**
 * Parameters that have no effect without `write_enabled` (also kReaderParameters of
 * native/vfs/replica_uri.h; a test compares both).
 */
const WRITE_PARAMETERS: readonly string[] = ['durability', 'sync_interval', 'buffer_path', 'lease', 'compaction']
/**
 * SQLite's own parameters that a replica refuses (native/vfs/vfs.cc passes them on for the error
 * message).
 */
const UNLOCKED: readonly string[] = ['immutable', 'nolock']
/**
 * The errors for names that native/vfs/vfs.cc refused to open, by the parameter with which it
 * reports them. The functions get the value of that parameter.
 */
const REFUSED_NAMES: ReadonlyMap<string, (value: string) => { message: string; hint: string }> = new Map([
  [
    'without_vfs',
    () => ({
      message: 'the URI names a replica, but has no vfs=litestream',
      hint: 'Add vfs=litestream to the URI. Without it, SQLite would open an ordinary file.',
    }),
  ],
  [
    'uri_as_path',
    () => ({
      message: 'the URI of a replica was used as a path',
      hint: 'Pass the URI to the driver unchanged: do not join it to a folder or resolve it.',
    }),
  ],
  [
    'name_bytes',
    (most: string) => ({
      message: `the URI of the replica is longer than ${most} bytes, too long for a connection opened before the VFS was loaded`,
      hint: 'Open the connection after openReplica() or load(), or shorten the URI.',
    }),
  ],
  [
    'old_connection',
    () => ({
      message: 'the connection was opened before the VFS was loaded',
      hint: 'Open the connection after openReplica() or load().',
    }),
  ],
  [
    'mixed_transaction',
    () => ({
      message: 'one transaction wrote to a replica and to an attached file that is not in WAL mode; it was rolled back',
      hint: 'Open the file as the main database and attach the replica, or set `PRAGMA journal_mode = WAL` on the file.',
    }),
  ],
])
type Parameter = (typeof PARAMETERS)[number]
export type ReplicaParameters = Partial<Record<Parameter, string>>

/** Options as the parameters of a URI. */
export function toParameters(url: string, options: ReplicaOptions): ReplicaParameters {
  const all: Record<string, string | number | undefined> = {
    replica_url: url,
    poll_interval: duration(options.pollInterval),
    idle_poll_interval: duration(options.idlePollInterval),
    cache_size: options.cacheSize,
    hydration_enabled: options.hydrate === undefined ? undefined : 'true',
    hydration_path: options.hydrate === true ? undefined : options.hydrate,
    disk_cache: options.diskCache,
    disk_cache_size: options.diskCacheSize,
    open_timeout: duration(options.openTimeout),
    read_timeout: duration(options.readTimeout),
    max_stale: duration(options.maxStale),
    concurrency: options.concurrency,
    read_ahead: options.readAhead && [options.readAhead].flat().join(','),
    hedge: options.hedge === undefined ? undefined : String(options.hedge),
    age_identities: options.encryption && listOf(options.encryption.identities).join(','),
    age_recipients: options.encryption && listOf(options.encryption.recipients).join(','),
    age_passphrase: options.encryption?.passphrase,
    ...writeParameters(options.write),
  }
  return Object.fromEntries(
    Object.entries(all)
      .filter(([name, value]) => value !== undefined && !(value === '' && ENCRYPTION_PARAMETERS.includes(name)))
      .map(([name, value]) => [name, String(value)]),
  )
}

function writeParameters(
  write: boolean | ReplicaWriteOptions | undefined,
): Record<string, string | number | undefined> {
  if (write === undefined || write === false) return {}
  if (write !== true) check.checkOptions(write, WRITE_OPTION_CHECKS, 'openReplica, write')
  const { durability, syncInterval, bufferPath, lease, compaction } = write === true ? {} : write
  return {
    write_enabled: 'true',
    durability,
    sync_interval: duration(syncInterval),
    buffer_path: bufferPath,
    lease: lease === false ? 'false' : duration(lease),
    compaction: Array.isArray(compaction) ? compaction.map(duration).join(',') : compaction?.toString(),
  }
}

function duration(value: number | string | undefined): string | undefined {
  // Infinity means never, which is the default if it is allowed
  if (value === Number.POSITIVE_INFINITY) return undefined
  return typeof value === 'number' ? `${value}ms` : value
}

/**
 * The key under which native code knows a replica: `name=value` lines, sorted by name. Throws
 * CONFIG_INVALID for a line break.
 */
export function formatKey(parameters: ReplicaParameters): string {
  for (const [name, value] of Object.entries(parameters)) if (value.includes('\n')) throw lineBreak(name)
  return Object.entries(parameters)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${name}=${value}`)
    .join('\n')
}

function lineBreak(name: string): LitestreamError {
  return new LitestreamError('CONFIG_INVALID', `${name}: the value contains a line break`, {
    hint: 'Remove the line break: paths and URLs with line breaks are not supported.',
  })
}

export function parseKey(key: string): Record<string, string> {
  return Object.fromEntries(
    key
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => {
        const equals = line.indexOf('=')
        return [line.slice(0, equals), line.slice(equals + 1)]
      }),
  )
}

/**
 * The parameters, completed from the environment. native/vfs/replica_uri.cc does the same for a
 * plain URI.
 */
export function withEnvironment(parameters: ReplicaParameters, env: NodeJS.ProcessEnv): ReplicaParameters {
  const all: ReplicaParameters = {}
  for (const name of PARAMETERS) {
    // hydration_path in the environment has no effect unless hydration is enabled.
    if (name === 'hydration_path' && !parameters.hydration_path && !all.hydration_enabled) continue
    if (WRITE_PARAMETERS.includes(name) && !all.write_enabled && !parameters.write_enabled) continue
    const variable = ENCRYPTION_PARAMETERS.includes(name) ? undefined : env[`LITESTREAM_${name.toUpperCase()}`]
    const value = parameters[name] ?? variable
    if (value !== undefined && value !== '') all[name] = value
  }
  return all
}

/**
 * The effective options for a key: its parameters, then the defaults. An unknown parameter is an
 * error, because a misspelled one would silently have no effect. Throws CONFIG_INVALID.
 */
export function resolveOptions(key: string): ResolvedReplicaOptions {
  const given = parseKey(key)
  for (const name of Object.keys(given)) {
    if (name === 'line_break') throw lineBreak('a parameter of the URI')
    if (UNLOCKED.includes(name)) {
      throw new LitestreamError('CONFIG_INVALID', `${name}=${given[name]} cannot be used with a replica`, {
        hint: 'Remove the parameter: with it, SQLite takes no locks, so a read would mix TXIDs. A replica is read-only anyway.',
      })
    }
    const refused = REFUSED_NAMES.get(name)
    if (refused) {
      const { message, hint } = refused(given[name] ?? '')
      throw new LitestreamError('CONFIG_INVALID', message, { hint })
    }
    if (!(PARAMETERS as readonly string[]).includes(name)) {
      throw new LitestreamError('CONFIG_INVALID', `unknown replica parameter "${name}"`, {
        hint: unknownHint(name),
      })
    }
  }
  const value = (name: Parameter): string | undefined => given[name]
  const read = <T>(name: Parameter, parse: (text: string) => T, fallback: T): T => {
    const text = value(name)
    if (text === undefined || text === '') return fallback
    try {
      return parse(text)
    } catch (cause) {
      const { message } = toLitestreamError(cause)
      throw new LitestreamError('CONFIG_INVALID', `${name}: ${message}`, {
        hint: `Correct the option, the URI parameter ${name} or LITESTREAM_${name.toUpperCase()}.`,
      })
    }
  }
  const url = value('replica_url')
  if (!url) {
    throw new LitestreamError('CONFIG_INVALID', 'the URI names no replica', {
      hint: 'Add replica_url=… to the URI, or set LITESTREAM_REPLICA_URL.',
    })
  }
  const hydrate = read('hydration_enabled', parseBoolean, given.hydration_path !== undefined)
  const path = value('hydration_path') || undefined
  const pollInterval = read('poll_interval', positive(parseDuration), 1000)
  const maxStale = read('max_stale', positive(parseDuration), Number.POSITIVE_INFINITY)
  const idlePollInterval = read('idle_poll_interval', positive(parseDuration), pollInterval)
  return {
    url,
    pollInterval,
    // An idle interval above half of maxStale would make the replica stale between two polls.
    idlePollInterval: Math.max(pollInterval, Math.min(idlePollInterval, maxStale / 2)),
    cacheSize: read('cache_size', positive(parseByteSize), 64 * 2 ** 20),
    hydrate: hydrate ? (path ?? true) : undefined,
    diskCache: value('disk_cache') || undefined,
    diskCacheSize: read('disk_cache_size', positive(parseByteSize), 2 ** 30),
    openTimeout: read('open_timeout', notNegative(parseDuration), 30_000),
    readTimeout: read('read_timeout', positive(parseDuration), 30_000),
    maxStale,
    concurrency: read('concurrency', parseCount, 16),
    readAhead: read('read_ahead', parseReadAhead, new Set(READ_AHEAD_KINDS)),
    hedge: read('hedge', parseBoolean, true),
    encryption: resolveEncryption(value),
    write: read('write_enabled', parseBoolean, false) ? resolveWrite(value, read, hydrate) : undefined,
  }
}

function resolveEncryption(value: (name: Parameter) => string | undefined): EncryptionSettings | undefined {
  const [identities, recipients] = [value('age_identities'), value('age_recipients')]
  if (!identities && !recipients) return undefined
  return { identities, recipients, passphrase: value('age_passphrase') }
}

type Read = <T>(name: Parameter, parse: (text: string) => T, fallback: T) => T

/**
 * buffer_path or sync_interval alone selects local durability, to which they belong, as in the
 * official extension.
 */
function resolveWrite(
  value: (name: Parameter) => string | undefined,
  read: Read,
  hydrates: boolean,
): ResolvedWriteOptions {
  const bufferPath = value('buffer_path') || undefined
  const buffered = bufferPath !== undefined || Boolean(value('sync_interval'))
  const lease = read('lease', parseLease, DEFAULT_LEASE_TTL)
  const write: ResolvedWriteOptions = {
    durability: read('durability', parseDurability, buffered ? 'local' : 'store'),
    syncInterval: read('sync_interval', positive(parseDuration), 1000),
    bufferPath,
    lease,
    compaction: read('compaction', parseLevels, lease === undefined ? undefined : DEFAULT_LEVELS),
    timeout: read('read_timeout', positive(parseDuration), 30_000),
  }
  if (write.durability === 'local' && hydrates) {
    throw new LitestreamError('CONFIG_INVALID', 'a local copy cannot be combined with durability=local', {
      hint: 'Turn hydration off, or set durability=store.',
    })
  }
  if (write.durability === 'store' && buffered) {
    throw new LitestreamError('CONFIG_INVALID', 'buffer_path and sync_interval have no effect with durability=store', {
      hint: 'Remove buffer_path and sync_interval, or set durability=local.',
    })
  }
  return write
}

/** "30s,5m,1h": the intervals of levels 1, 2 and 3. */
function parseLevels(text: string): readonly number[] | undefined {
  if (Object.hasOwn(BOOLEANS, text)) return BOOLEANS[text] ? DEFAULT_LEVELS : undefined
  const intervals = text.split(',').map(positive(parseDuration))
  if (intervals.length > MAX_COMPACTION_LEVEL) throw wrongValue(text, `at most ${MAX_COMPACTION_LEVEL} intervals`)
  return intervals
}

function parseDurability(text: string): 'store' | 'local' {
  if (text !== 'store' && text !== 'local') throw wrongValue(text, '"store" or "local"')
  return text
}

/** A duration, or false for no lease. */
function parseLease(text: string): number | undefined {
  if (BOOLEANS[text.toLowerCase()] === false) return undefined
  return positive(parseDuration)(text)
}

function unknownHint(name: string): string {
  const meant = nearest(name, PARAMETERS)
  return `${meant === undefined ? '' : `Did you mean ${meant}? `}The parameters are ${PARAMETERS.join(', ')}.`
}

/** The error for a value that an option does not allow; the caller adds the option's name. */
function wrongValue(text: string, expected: string): LitestreamError {
  return new LitestreamError('INVALID_ARGUMENT', `${JSON.stringify(text)} is not ${expected}`)
}

function parseReadAhead(text: string): ReadonlySet<ReadAheadKind> {
  if (text === 'all') return new Set(READ_AHEAD_KINDS)
  const kinds = text === 'none' ? [] : text.split(',').map((kind) => kind.trim())
  const unknown = kinds.find((kind) => !READ_AHEAD_KINDS.includes(kind as ReadAheadKind))
  if (unknown !== undefined) {
    throw wrongValue(unknown, `kinds of prefetch: ${READ_AHEAD_KINDS.join(', ')}, or all or none`)
  }
  return new Set(kinds as ReadAheadKind[])
}

function parseBoolean(text: string): boolean {
  const value = BOOLEANS[text.toLowerCase()]
  if (value === undefined) throw wrongValue(text, 'true or false')
  return value
}

function parseCount(text: string): number {
  const count = /^\d{1,4}$/.test(text) ? Number(text) : Number.NaN
  if (!(count >= 1 && count <= MAX_CONCURRENCY)) throw wrongValue(text, `a whole number from 1 to ${MAX_CONCURRENCY}`)
  return count
}

function notNegative(parse: (text: string) => number): (text: string) => number {
  return (text) => {
    const value = parse(text)
    if (!(value >= 0)) throw wrongValue(text, '0 or more')
    return value
  }
}

function positive(parse: (text: string) => number): (text: string) => number {
  return (text) => {
    const value = parse(text)
    if (!(value > 0)) throw wrongValue(text, 'greater than 0')
    return value
  }
}
