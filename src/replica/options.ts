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

/** The options with which a replica is opened. */
export interface ReplicaOptions {
  /** Longest interval between two polls of the store (default 1 s). */
  readonly pollInterval?: Duration
  /**
   * Longest poll interval while no new files arrive (default `pollInterval`). After ten polls
   * without new files, the poll interval grows to this value. Any new file sets the poll interval
   * back. The longest poll interval is limited to half of `maxStale`.
   */
  readonly idlePollInterval?: Duration
  /** Maximum memory for decoded pages, which all connections share (default 64 MiB). */
  readonly cacheSize?: ByteSize
  /**
   * Path of a full local copy. The worker fills the local copy while the replica serves reads. The
   * local copy stays when the replica is closed. If `hydrate` is true, the local copy is a
   * temporary file, which is removed when the replica is closed.
   */
  readonly hydrate?: string | true
  /**
   * Directory of the disk cache. The disk cache keeps fetched bytes between runs. Several processes
   * may share one disk cache.
   */
  readonly diskCache?: string
  /** Maximum size of the disk cache (default 1 GiB). */
  readonly diskCacheSize?: ByteSize
  /** How long openReplica() waits for the first file of an empty replica (default 30 s). */
  readonly openTimeout?: Duration
  /** Maximum time to fetch one page before the read fails (default 30 s). */
  readonly readTimeout?: Duration
  /**
   * Reads fail if no poll has succeeded for this long. By default, reads do not fail because of an
   * old poll. Programs can read the time since the last successful poll from `lagMs`.
   */
  readonly maxStale?: Duration
  /** Maximum number of concurrent requests to the store (default 16). */
  readonly concurrency?: number
  /** The kinds of prefetch that are enabled (default 'all', see docs/replicas.md). */
  readonly readAhead?: 'all' | 'none' | readonly ReadAheadKind[]
  /**
   * Whether the worker sends a request a second time if the first request takes much longer than
   * other requests (default true). The worker uses the response that arrives first.
   */
  readonly hedge?: boolean
  /**
   * The encryption of the replica's files. By default, the environment variables set the encryption
   * (see docs/encryption.md).
   */
  readonly encryption?: EncryptionSettings
  /**
   * Lets connections write to the replica (default false). Each commit of a connection becomes a
   * part of the next LTX file of the replica.
   */
  readonly write?: boolean | ReplicaWriteOptions
}

/** The settings for connections that write (see docs/writing.md). */
export interface ReplicaWriteOptions {
  /**
   * The moment at which COMMIT returns. With `store` (the default), COMMIT returns when the commit
   * is in the store. With `local`, COMMIT returns when the commit is in the local write buffer. The
   * worker later merges commits and uploads them every `syncInterval`.
   */
  readonly durability?: 'store' | 'local'
  /** Interval between two uploads with `local` durability (default 1 s). */
  readonly syncInterval?: Duration
  /**
   * Path of the write buffer. The write buffer is a file that holds commits with `local` durability
   * until the commits are uploaded. Without `bufferPath`, commits with `local` durability are in
   * memory only, and a crash loses these commits.
   */
  readonly bufferPath?: string
  /**
   * How long the lease is valid without renewal (default 30 s). If `lease` is false, the writer
   * takes no lease.
   */
  readonly lease?: Duration | false
  /**
   * Whether this process compacts the replica while it holds the lease. The option `compaction` is
   * true, false, or the intervals of levels 1, 2, … (by default 30 s, 5 m and 1 h). Without a
   * lease, the default of `compaction` is false, because two processes must not compact one
   * replica.
   */
  readonly compaction?: boolean | readonly Duration[]
}

/** A setting that is both an option of openReplica() and a parameter of a URI. */
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

/** The settings of a reader. The keys are the names of the URI parameters. */
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

/**
 * The settings of a writer. Environment variables set the parameters of a writer only if
 * `write_enabled` is set.
 */
export const WRITER_SETTINGS = {
  durability: setting('durability', kinds.durability, 'store'),
  sync_interval: setting('syncInterval', kinds.interval(0), 1000),
  buffer_path: setting('bufferPath', kinds.filePath, undefined),
  lease: setting('lease', kinds.lease, DEFAULT_LEASE_TTL),
  compaction: setting('compaction', kinds.levels, kinds.DEFAULT_LEVELS),
}

type Settings = Readonly<Record<string, Setting<string, unknown>>>

/**
 * The values of all settings of a table. The keys are the names of the options. Durations are in
 * milliseconds, and sizes are in bytes.
 */
type Values<Table extends Settings> = {
  readonly [Name in keyof Table as Table[Name]['option']]: Table[Name] extends Setting<string, infer Value>
    ? Value
    : never
}

/**
 * The URI parameters of encryption. The environment variables of these parameters are read when the
 * store is opened (src/storage/encrypted/settings.ts).
 */
const ENCRYPTION_PARAMETERS = ['age_identities', 'age_recipients', 'age_passphrase'] as const

/**
 * The names of all parameters in a URI. The name of a parameter's environment variable is
 * LITESTREAM_ followed by the parameter's name in capitals.
 */
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
 * Parameters that the environment sets only if another parameter is set too. The table
 * kReaderParameters of native/vfs/replica_uri.h must contain the same rules, and a test compares
 * both tables.
 */
const NEEDS: Partial<Record<Parameter, Parameter>> = {
  hydration_path: 'hydration_enabled',
  ...Object.fromEntries(keysOf(WRITER_SETTINGS).map((name) => [name, 'write_enabled'])),
}

/**
 * The checks of the options of `openReplica`. Options that are text are parsed later by
 * resolveOptions.
 */
export const REPLICA_OPTION_CHECKS: check.OptionChecks<ReplicaOptions> = {
  ...checksOf(READER_SETTINGS),
  hydrate: (value) => (value === true ? undefined : check.text(value) && 'a path or true'),
  encryption: check.object,
  write: (value) => (typeof value === 'boolean' ? undefined : check.object(value) && 'true, false or an object'),
}

const WRITE_OPTION_CHECKS: check.OptionChecks<ReplicaWriteOptions> = checksOf(WRITER_SETTINGS)

export interface ResolvedWriteOptions extends Values<typeof WRITER_SETTINGS> {
  /** How long a connection waits for the RESERVED lock and for a commit, in milliseconds. */
  readonly timeout: number
}

export interface ResolvedReplicaOptions extends Values<typeof READER_SETTINGS> {
  readonly url: string
  /**
   * The longest poll interval while no new files arrive, in milliseconds. `idlePollInterval` is at
   * least `pollInterval`.
   */
  readonly idlePollInterval: number
  /**
   * The path of the local copy. If the value is true, the local copy is a temporary file. If the
   * value is undefined, the replica has no local copy.
   */
  readonly hydrate: string | true | undefined
  /**
   * The encryption of the replica. If `encryption` is undefined, environment variables may set the
   * encryption.
   */
  readonly encryption: EncryptionSettings | undefined
  /** The settings for writing, or undefined if connections are read-only. */
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

/** Returns the options as the parameters of a URI. */
export function toParameters(url: string, options: ReplicaOptions): ReplicaParameters {
  const { hydrate, encryption } = options
  const all: Partial<Record<Parameter, string | undefined>> = {
    replica_url: url,
    ...formatted(READER_SETTINGS, options),
    hydration_enabled: hydrate === undefined ? undefined : 'true',
    hydration_path: hydrate === true ? undefined : hydrate,
    // Without a key, the encryption options are treated as absent.
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
 * Returns the parameters. Missing parameters are taken from the environment. The file
 * native/vfs/replica_uri.cc adds the same parameters to a URI that a program passes directly to a
 * driver.
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
 * Returns the options of a key. Missing parameters get their defaults. An unknown parameter is an
 * error, because a misspelled parameter would otherwise have no effect and cause no message. Throws
 * CONFIG_INVALID.
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
      hint: 'Add replica_url=… to the URI, or set the environment variable LITESTREAM_REPLICA_URL.',
    })
  }
  const path = given.hydration_path || undefined
  const hydrates = read(given, 'hydration_enabled', kinds.parseBoolean, given.hydration_path !== undefined)
  const settings = valuesOf(READER_SETTINGS, given)
  const { pollInterval, idlePollInterval = pollInterval, maxStale } = settings
  return {
    ...settings,
    url,
    // If `idlePollInterval` were greater than half of `maxStale`, the replica would become stale
    // between two polls.
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
      hint: `Correct the value of the option, of the URI parameter ${name} or of the environment variable LITESTREAM_${name.toUpperCase()}.`,
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
 * Returns the settings for writing. If buffer_path or sync_interval is set, durability is local,
 * because both settings apply only to local durability. The official extension has the same rule.
 */
function resolveWrite(given: ReplicaParameters, timeout: number, hydrates: boolean): ResolvedWriteOptions {
  const settings = valuesOf(WRITER_SETTINGS, given)
  const isBuffered = Boolean(given.buffer_path || given.sync_interval)
  const durability = given.durability ? settings.durability : isBuffered ? 'local' : 'store'
  if (durability === 'local' && hydrates) {
    throw new LitestreamError('CONFIG_INVALID', 'a local copy cannot be combined with durability=local', {
      hint: 'Turn the local copy off (remove hydration_enabled or the option hydrate), or set durability=store.',
    })
  }
  if (durability === 'store' && isBuffered) {
    throw new LitestreamError('CONFIG_INVALID', 'buffer_path and sync_interval have no effect with durability=store', {
      hint: 'Remove buffer_path and sync_interval, or set durability=local.',
    })
  }
  // Compaction needs a lease, because without a lease two processes could compact one replica.
  const compaction = given.compaction || settings.lease !== undefined ? settings.compaction : undefined
  return { ...settings, durability, compaction, timeout }
}

function unknownHint(name: string): string {
  const meant = nearest(name, PARAMETERS)
  return `${meant === undefined ? '' : `Did you mean ${meant}? `}The parameters are ${PARAMETERS.join(', ')}.`
}
