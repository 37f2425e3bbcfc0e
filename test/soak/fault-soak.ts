import { readFileSync, rmSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { cleanUp } from '../support/clean-up.js'
import { Random } from '../support/random.js'
import { drawFaults } from './faults.js'
import { type Scope, type SoakDatabase, SoakWorld } from './world.js'

export interface FaultSoakOptions {
  /** New rounds begin for this long, seconds. */
  readonly seconds: number
  readonly seed: number
  /** Longest fault, milliseconds. */
  readonly longest: number
  /** Fewest and most faults of one round. */
  readonly faults: readonly [number, number]
  /**
   * How long after the last fault of a round every database may take to be replicated again,
   * milliseconds.
   */
  readonly deadline: number
  readonly say: (line: string) => void
}

export interface FaultSoakResult {
  readonly rounds: number
  readonly faults: number
  /** The longest time until everything was replicated again, milliseconds. */
  readonly slowest: number
}

/**
 * Rounds of random faults around a daemon that is never restarted. After each round, each database
 * gets one more commit, and must become replicated: a restore equals it, `verify` finds no fault,
 * and the health of the daemon is in order. Throws an error with the seed, the round, its faults
 * and the end of the daemon's log where that does not happen.
 */
export async function soakFaults(t: Scope, options: FaultSoakOptions): Promise<FaultSoakResult> {
  const { seconds, seed, longest, deadline, say } = options
  const dir = await mkdtemp(path.join(tmpdir(), 'litestream-soak-'))
  let isWhole = false
  cleanUp(t, () => {
    if (isWhole) rmSync(dir, { recursive: true, force: true })
    else say(`the files are in ${dir}`)
  })
  const world = await SoakWorld.start(t, dir)
  await world.listens()
  await recovered(world, deadline)
  const random = new Random(seed)
  const end = performance.now() + seconds * 1000
  const result = { rounds: 0, faults: 0, slowest: 0 }
  while (performance.now() < end || result.rounds === 0) {
    result.rounds++
    const drawn = drawFaults(world, random, random.integer(...options.faults), longest)
    const labels = drawn.map(({ label }) => label).join(' | ')
    try {
      const starts = drawn.map(() => random.integer(0, longest / 4))
      await Promise.all(drawn.map(({ run }, i) => delay(starts[i]).then(run)))
      const ms = await recovered(world, deadline)
      result.faults += drawn.length
      result.slowest = Math.max(result.slowest, ms)
      say(`round ${result.rounds}: replicated after ${(ms / 1000).toFixed(1)} s | ${labels}`)
    } catch (error) {
      const what = `seed ${seed}, round ${result.rounds}: ${(error as Error).message}`
      throw new Error(`${what}\n${labels}\n${troubles(world)}`, { cause: error })
    }
  }
  const status = await world.stop()
  if (status !== 0) throw new Error(`seed ${seed}: the daemon ended with ${status}\n${troubles(world)}`)
  isWhole = true
  return result
}

/** The end of the daemon's log, without the routine. */
function troubles({ log }: SoakWorld): string {
  const lines = readFileSync(log, 'utf8').split('\n')
  return lines
    .filter((line) => !/level=INFO msg="?(ltx|compaction complete|snapshot|retention|l0 retention|sync)/.test(line))
    .slice(-25)
    .join('\n')
}

/**
 * Milliseconds until every database is replicated; throws if that takes longer than the deadline.
 */
async function recovered(world: SoakWorld, deadline: number): Promise<number> {
  const start = performance.now()
  const isOver = () => performance.now() - start > deadline
  for (const database of world.databases) {
    await world.tell('resume', database)
    const committed = world.tell('commit', database)
    await within(deadline, committed, `the application commits to ${database.name}`)
    await world.tell('pause', database)
  }
  for (const database of world.databases) await replicated(world, database, isOver)
  for (;;) {
    world.assertRunning()
    const { status, databases } = await world.health()
    if (status === 'ok') break
    if (isOver()) throw new Error(`the health stays "${status}": ${JSON.stringify(databases.filter(({ ok }) => !ok))}`)
    await delay(250)
  }
  for (const database of world.databases) await world.tell('resume', database)
  return performance.now() - start
}

async function replicated(world: SoakWorld, database: SoakDatabase, isOver: () => boolean): Promise<void> {
  for (;;) {
    world.assertRunning()
    try {
      await world.assertReplicated(database)
      return
    } catch (error) {
      if (isOver()) throw new Error(`${database.name} is not replicated: ${(error as Error).message}`, { cause: error })
    }
    await delay(250)
  }
}

async function within<T>(ms: number, promise: Promise<T>, what: string): Promise<T> {
  const timer = new AbortController()
  const late = delay(ms, undefined, { signal: timer.signal }).then(() => {
    throw new Error(`gave up waiting until ${what}`)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    timer.abort()
    late.catch(() => {}) // the abort
  }
}
