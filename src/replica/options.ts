import { LitestreamError, toLitestreamError } from '../errors.js'
import { DEFAULT_LEASE_TTL } from '../levels/lease-ttl.js'
import { READ_AHEAD_KINDS, type ReadAheadKind } from '../native/read-ahead.js'
import { type EncryptionSettings, listOf } from '../storage/encrypted/settings.js'
import type { ByteSize } from '../util/byte-size.js'
import * as check from '../util/check-arguments.js'
import type { Duration } from '../util/duration.js'
import { nearest } from '../util/nearest.js'
import { checkRefused, parseKey } from './key.js'
import * as kinds from './setting-kinds.js'

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

/** A setting that is one option of openReplica() and one parameter of a URI. */
interface Setting<Option extends string, Value> {
  readonly option: Option
  readonly kind: kinds.Kind<Value>
  readonly fallback: Value
}

function setting<const Option extends string, Value>(
  option: Option,
  kind: kinds.Kind<Value>,
  fallback: Value,
): Setting<Option, Value> {
  return { option, kind, fallback }
}

/** The settings of a reader, by their parameter. */
export const READER_SETTINGS = {
  poll_interval: setting('pollInterval', kinds.interval(), 1000),
  idle_poll_interval: setting('idlePollInterval', kinds.interval() as kinds.Kind<number | undefined>, undefined),
  cache_size: setting('cacheSize', kinds.size, 64 * 2 ** 20),
  disk_cache: setting('diskCache', kinds.filePath, undefined),
  disk_cache_size: setting('diskCacheSize', kinds.size, 2 ** 30),
  open_timeout: setting('openTimeout', kinds.timeLimit, 30_000),
  read_timeout: setting('readTimeout', kinds.interval(), 30_000),
  max_stale: setting('maxStale', kinds.interval(), Number.POSITIVE_INFINITY),
  concurrency: setting('concurrency', kinds.concurrency, 16),
  read_ahead: setting('readAhead', kinds.readAhead, new Set(READ_AHEAD_KINDS)),
  hedge: setting('hedge', kinds.flag, true),
}

/** The settings of a writer: without `write_enabled`, the environment does not set them. */
export const WRITER_SETTINGS = {
  durability: setting('durability', kinds.durability, 'store'),
  sync_interval: setting('syncInterval', kinds.interval(0), 1000),
  buffer_path: setting('bufferPath', kinds.filePath, undefined),
  lease: setting('lease', kinds.lease, DEFAULT_LEASE_TTL),
  compaction: setting('compaction', kinds.levels, kinds.DEFAULT_LEVELS),
}

type Settings = Readonly<Record<string, Setting<string, unknown>>>

/** The values of settings, by their option: durations in milliseconds, sizes in bytes. */
type Values<Table extends Settings> = {
  readonly [Name in keyof Table as Table[Name]['option']]: Table[Name] extends Setting<string, infer Value>
    ? Value
    : never
}

/** Opening the store reads the environment for these (src/storage/encrypted/settings.ts). */
const ENCRYPTION_PARAMETERS = ['age_identities', 'age_recipients', 'age_passphrase'] as const

/** The parameter names in a URI. In the environment: LITESTREAM_ and the name in capitals. */
export const PARAMETERS = [
  'replica_url',
  ...keysOf(READER_SETTINGS),
  'hydration_enabled',
  'hydration_path',
  'write_enabled',
  ...keysOf(WRITER_SETTINGS),
  ...ENCRYPTION_PARAMETERS,
] as const
type Parameter = (typeof PARAMETERS)[number]
export type ReplicaParameters = Partial<Record<Parameter, string>>

/**
 * Parameters that the environment sets only if another one is set, too (also kReaderParameters of
 * native/vfs/replica_uri.h; a test compares both).
 */
const NEEDS: Partial<Record<Parameter, Parameter>> = {
  hydration_path: 'hydration_enabled',
  ...Object.fromEntries(keysOf(WRITER_SETTINGS).map((name) => [name, 'write_enabled'])),
}

/** Checks of the options of `openReplica`; resolveOptions parses text values. */
export const REPLICA_OPTION_CHECKS: check.OptionChecks<ReplicaOptions> = {
  ...checksOf(READER_SETTINGS),
  hydrate: (value) => (value === true ? undefined : check.text(value) && 'a path or true'),
  encryption: check.object,
  write: (value) => (typeof value === 'boolean' ? undefined : check.object(value) && 'true, false or an object'),
}

const WRITE_OPTION_CHECKS: check.OptionChecks<ReplicaWriteOptions> = checksOf(WRITER_SETTINGS)

export interface ResolvedWriteOptions extends Values<typeof WRITER_SETTINGS> {
  /** How long a connection waits for the RESERVED lock, and for a commit, in milliseconds. */
  readonly timeout: number
}

export interface ResolvedReplicaOptions extends Values<typeof READER_SETTINGS> {
  readonly url: string
  /** Milliseconds; at least `pollInterval`. */
  readonly idlePollInterval: number
  /** The path of a local copy; true: a temporary file; undefined: none. */
  readonly hydrate: string | true | undefined
  /** Undefined: that of the environment, if any. */
  readonly encryption: EncryptionSettings | undefined
  /** Undefined: connections are read-only. */
  readonly write: ResolvedWriteOptions | undefined
}

function keysOf<Table extends object>(table: Table): (keyof Table & string)[] {
  return Object.keys(table) as (keyof Table & string)[]
}

function checksOf<Table extends Settings>(
  table: Table,
): { readonly [Name in keyof Table as Table[Name]['option']]: check.Check } {
  const entries = Object.values(table).map(({ option, kind }) => [option, kind.check])
  return Object.fromEntries(entries) as ReturnType<typeof checksOf<Table>>
}

/** Options as the parameters of a URI. */
export function toParameters(url: string, options: ReplicaOptions): ReplicaParameters {
  const { hydrate, encryption } = options
  const all: Partial<Record<Parameter, string | undefined>> = {
    replica_url: url,
    ...formatted(READER_SETTINGS, options),
    hydration_enabled: hydrate === undefined ? undefined : 'true',
    hydration_path: hydrate === true ? undefined : hydrate,
    // Without a key, encryption does not count as set.
    age_identities: listOf(encryption?.identities).join(',') || undefined,
    age_recipients: listOf(encryption?.recipients).join(',') || undefined,
    age_passphrase: encryption?.passphrase || undefined,
    ...writeParameters(options.write),
  }
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined))
}

function writeParameters(write: boolean | ReplicaWriteOptions = false): ReplicaParameters {
  if (write === false) return {}
  if (write === true) return { write_enabled: 'true' }
  check.checkOptions(write, WRITE_OPTION_CHECKS, 'openReplica, write')
  return { write_enabled: 'true', ...formatted(WRITER_SETTINGS, write) }
}

function formatted(table: Settings, options: object): Record<string, string | undefined> {
  const given = options as Readonly<Record<string, unknown>>
  return Object.fromEntries(
    Object.entries(table).map(([name, { option, kind }]) => {
      const value = given[option]
      return [name, value === undefined ? undefined : kind.format(value)]
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
    const value = parameters[name] ?? variableOf(name, all, env)
    if (value !== undefined && value !== '') all[name] = value
  }
  return all
}

function variableOf(name: Parameter, set: ReplicaParameters, env: NodeJS.ProcessEnv): string | undefined {
  if ((ENCRYPTION_PARAMETERS as readonly string[]).includes(name)) return undefined
  const needed = NEEDS[name]
  return needed === undefined || set[needed] !== undefined ? env[`LITESTREAM_${name.toUpperCase()}`] : undefined
}

/**
 * The effective options for a key: its parameters, then the defaults. An unknown parameter is an
 * error, because a misspelled one would silently have no effect. Throws CONFIG_INVALID.
 */
export function resolveOptions(key: string): ResolvedReplicaOptions {
  const given: ReplicaParameters = parseKey(key)
  for (const [name, value] of Object.entries(given)) {
    checkRefused(name, value)
    if (!(PARAMETERS as readonly string[]).includes(name)) {
      throw new LitestreamError('CONFIG_INVALID', `unknown replica parameter "${name}"`, {
        hint: unknownHint(name),
      })
    }
  }
  const url = given.replica_url
  if (!url) {
    throw new LitestreamError('CONFIG_INVALID', 'the URI names no replica', {
      hint: 'Add replica_url=… to the URI, or set LITESTREAM_REPLICA_URL.',
    })
  }
  const path = given.hydration_path || undefined
  const hydrates = read(given, 'hydration_enabled', kinds.parseBoolean, given.hydration_path !== undefined)
  const settings = valuesOf(READER_SETTINGS, given)
  const { pollInterval, idlePollInterval = pollInterval, maxStale } = settings
  return {
    ...settings,
    url,
    // An idle interval above half of maxStale would make the replica stale between two polls.
    idlePollInterval: Math.max(pollInterval, Math.min(idlePollInterval, maxStale / 2)),
    hydrate: hydrates ? (path ?? true) : undefined,
    encryption: resolveEncryption(given),
    write: read(given, 'write_enabled', kinds.parseBoolean, false)
      ? resolveWrite(given, settings.readTimeout, hydrates)
      : undefined,
  }
}

function read<Value>(
  given: ReplicaParameters,
  name: Parameter,
  parse: (text: string) => Value,
  fallback: Value,
): Value {
  const text = given[name]
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

function valuesOf<Table extends Settings>(table: Table, given: ReplicaParameters): Values<Table> {
  const entries = Object.entries(table).map(([name, { option, kind, fallback }]) => [
    option,
    read(given, name as Parameter, kind.parse, fallback),
  ])
  return Object.fromEntries(entries) as Values<Table>
}

function resolveEncryption(given: ReplicaParameters): EncryptionSettings | undefined {
  const { age_identities: identities, age_recipients: recipients, age_passphrase: passphrase } = given
  return identities || recipients ? { identities, recipients, passphrase } : undefined
}

/**
 * buffer_path or sync_interval alone selects local durability, to which they belong, as in the
 * official extension.
 */
function resolveWrite(given: ReplicaParameters, timeout: number, hydrates: boolean): ResolvedWriteOptions {
  const settings = valuesOf(WRITER_SETTINGS, given)
  const isBuffered = Boolean(given.buffer_path || given.sync_interval)
  const durability = given.durability ? settings.durability : isBuffered ? 'local' : 'store'
  if (durability === 'local' && hydrates) {
    throw new LitestreamError('CONFIG_INVALID', 'a local copy cannot be combined with durability=local', {
      hint: 'Turn hydration off, or set durability=store.',
    })
  }
  if (durability === 'store' && isBuffered) {
    throw new LitestreamError('CONFIG_INVALID', 'buffer_path and sync_interval have no effect with durability=store', {
      hint: 'Remove buffer_path and sync_interval, or set durability=local.',
    })
  }
  // Without a lease, two processes could compact one replica.
  const compaction = given.compaction || settings.lease !== undefined ? settings.compaction : undefined
  return { ...settings, durability, compaction, timeout }
}

function unknownHint(name: string): string {
  const meant = nearest(name, PARAMETERS)
  return `${meant === undefined ? '' : `Did you mean ${meant}? `}The parameters are ${PARAMETERS.join(', ')}.`
}
