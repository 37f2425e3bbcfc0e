import { LitestreamError } from '../../errors.js'
import type { ByteSize } from '../../util/byte-size.js'
import * as check from '../../util/check-arguments.js'
import type { Duration } from '../../util/duration.js'
import { MAX_DELAY_MS } from '../../util/timers.js'
import { isDriver, type OpenReplicaOptions } from '../handle/open-replica.js'
import { REPLICA_OPTION_CHECKS } from '../options.js'

/** The options of openReplica() that apply to each replica of a pool. */
type EachReplicaOptions = Omit<
  OpenReplicaOptions,
  'hydrate' | 'write' | 'cacheSize' | 'concurrency' | 'openTimeout' | 'signal' | 'timeout'
>

/**
 * Options of openReplicas(). All other options are the options of openReplica() for each replica.
 */
export interface ReplicaPoolOptions extends EachReplicaOptions {
  /** Maximum number of replicas that are open at the same time (default 100). */
  readonly maxOpen?: number
  /**
   * How long a replica without users stays open (default 5 minutes). A replica with open
   * connections has users.
   */
  readonly idleTimeout?: Duration
  /**
   * How long acquire() waits for a place in the pool and until the replica is open (default 30 s).
   * The `timeout` of a call takes precedence.
   */
  readonly acquireTimeout?: Duration
  /**
   * Size of the decoded pages of the whole pool in memory (default 4 MiB for each of `maxOpen`
   * replicas). Each replica gets the size divided by `maxOpen`, but at least 64 pages.
   */
  readonly cacheSize?: ByteSize
  /**
   * Maximum number of concurrent requests for pages by the whole pool (default 4 for each of
   * `maxOpen` replicas). Each replica gets the number divided by `maxOpen`.
   */
  readonly concurrency?: number
  /**
   * How long the pool waits for the first file of an empty replica when it opens the replica
   * (default 0).
   */
  readonly openTimeout?: Duration
}

export interface ResolvedPoolOptions {
  readonly maxOpen: number
  /** In milliseconds; 0 means that replicas are never closed because they are idle. */
  readonly idleTimeout: number
  readonly acquireTimeout: Duration
  /** The options with which each replica is opened. */
  readonly each: OpenReplicaOptions
}

const DEFAULT_MAX_OPEN = 100
const MOST_OPEN = 10_000
const DEFAULT_IDLE_TIMEOUT_MS = 300_000
const DEFAULT_ACQUIRE_TIMEOUT_MS = 30_000
const DEFAULT_CACHE_SIZE_EACH = 4 * 2 ** 20
const DEFAULT_CONCURRENCY_EACH = 4
/** The smallest page cache of one replica. The cache has 64 pages of 4 KiB. */
const LEAST_CACHE_SIZE_EACH = 256 * 2 ** 10
/** The largest `concurrency` of one replica. */
const MOST_CONCURRENCY_EACH = 1000

const { hydrate: _h, write: _w, ...EACH_CHECKS } = REPLICA_OPTION_CHECKS

const CHECKS: check.OptionChecks<ReplicaPoolOptions> = {
  ...EACH_CHECKS,
  driver: isDriver,
  maxOpen: check.integerFrom(1, MOST_OPEN),
  idleTimeout: check.duration(1),
  acquireTimeout: check.duration(1),
  cacheSize: check.byteSize(1),
  concurrency: check.integerFrom(1, MOST_OPEN * MOST_CONCURRENCY_EACH),
}

/**
 * Checks the options of a pool, and divides its budgets by `maxOpen`. Throws INVALID_ARGUMENT for
 * an invalid option, and for a budget that is too small for `maxOpen` replicas.
 */
export function resolvePoolOptions(options: ReplicaPoolOptions): ResolvedPoolOptions {
  check.checkOptions(options, CHECKS, 'openReplicas')
  const { maxOpen = DEFAULT_MAX_OPEN, idleTimeout, acquireTimeout = DEFAULT_ACQUIRE_TIMEOUT_MS, ...rest } = options
  const { cacheSize, concurrency, openTimeout = 0, ...given } = rest
  const cacheBytes = (CHECKS.cacheSize as check.Form).read(cacheSize ?? DEFAULT_CACHE_SIZE_EACH * maxOpen) as number
  const requests = concurrency ?? DEFAULT_CONCURRENCY_EACH * maxOpen
  const cacheEach = Math.floor(cacheBytes / maxOpen)
  if (cacheEach < LEAST_CACHE_SIZE_EACH) {
    throw tooSmall('cacheSize', maxOpen, `${(LEAST_CACHE_SIZE_EACH / 1024) * maxOpen}KiB`)
  }
  if (requests < maxOpen) throw tooSmall('concurrency', maxOpen, String(maxOpen))
  const idleMs = (CHECKS.idleTimeout as check.Form).read(idleTimeout ?? DEFAULT_IDLE_TIMEOUT_MS) as number
  return {
    maxOpen,
    idleTimeout: idleMs > MAX_DELAY_MS ? 0 : Math.ceil(idleMs),
    acquireTimeout,
    each: {
      ...given,
      cacheSize: cacheEach,
      concurrency: Math.min(MOST_CONCURRENCY_EACH, Math.floor(requests / maxOpen)),
      openTimeout,
    },
  }
}

function tooSmall(option: string, maxOpen: number, least: string): LitestreamError {
  return new LitestreamError(
    'INVALID_ARGUMENT',
    `openReplicas: ${option} must be at least ${least} for maxOpen ${maxOpen}, because each open replica gets an equal part`,
    { hint: `Raise ${option} to ${least} or more, or lower maxOpen.` },
  )
}
