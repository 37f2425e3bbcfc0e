// Run by scripts/histories.mjs: `node main.js SECONDS SEED STORE…`.

import { Random } from '../support/random.js'
import { releasedBinary } from '../support/released.js'
import { type HistoryOptions, type HistoryResult, runHistory } from './history.js'
import type { StoreName } from './places.js'

const [seconds, seed] = process.argv.slice(2, 4).map(Number) as [number, number]
const stores = process.argv.slice(4) as StoreName[]
/** Seconds of one history; then its logs are checked, and another one begins. */
const ONE = 20
/** Commits of the race. */
const RACE = 1000

function findOfficial(): string | undefined {
  try {
    return releasedBinary('0.5.17')
  } catch (error) {
    console.log(`without the released Litestream: ${(error as Error).message}`)
    return undefined
  }
}

const official = findOfficial()

/** Runs one history with clean-up of its own. */
async function run(options: Omit<HistoryOptions, 'official' | 'say'>): Promise<HistoryResult> {
  const steps: (() => unknown)[] = []
  try {
    const scope = { after: (step: unknown) => void steps.push(step as () => unknown) }
    const result = await runHistory(scope, { ...options, official, say: console.log })
    const { faults, ...counts } = result
    const text = Object.entries(counts).map(([name, count]) => `${name}=${count}`)
    console.log(
      `${options.store} seed=${options.seed} ${text.join(' ')} faults=${JSON.stringify(Object.fromEntries(faults))}`,
    )
    return result
  } finally {
    for (const step of steps.reverse()) await step()
  }
}

const total: Record<string, number> = { histories: 0, faults: 0 }
function add({ faults, ...counts }: HistoryResult): void {
  total.histories!++
  for (const count of faults.values()) total.faults! += count
  for (const [name, count] of Object.entries(counts)) total[name] = (total[name] ?? 0) + count
}

try {
  const random = new Random(seed)
  const end = performance.now() + seconds * 1000
  if (stores.includes('file')) {
    const race = { writers: 2, readers: 0, longest: 0, commits: RACE, seconds: 600, sample: 5 }
    const { commits } = await run({ store: 'file', seed, ...race })
    if (commits < RACE) throw new Error(`the race made ${commits} commits in ${race.seconds} s, not ${RACE}`)
    console.log(`two writers raced for ${commits} commits: one winner each`)
  }
  do {
    for (const store of stores) {
      const left = Math.max(1, Math.min(ONE, (end - performance.now()) / 1000))
      const sizes = {
        writers: random.integer(2, 4),
        readers: random.integer(1, 2),
        longest: random.pick([500, 2000, 4000]),
      }
      const isBuffered = random.chance(0.3)
      add(
        await run({
          ...{ store, seed: random.integer(1, 2 ** 31 - 1), seconds: left, ...sizes, sample: 6 },
          ...(isBuffered ? { isBuffered, writers: 1 } : {}),
        }),
      )
    }
  } while (performance.now() < end)
  console.log(
    Object.entries(total)
      .map(([name, count]) => `${name}=${count}`)
      .join(' '),
  )
} catch (error) {
  console.error(String((error as Error).stack))
  process.exitCode = 1
}
process.exit()
