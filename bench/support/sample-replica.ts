import { rmSync } from 'node:fs'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { inFreshProcess } from './fresh-process.js'
import { publishSample } from './pages.js'
import type { Bench } from './question.js'
import { type Spread, spread } from './stats.js'

export const PAGE_SIZE = 4096
const MIB = 1024 * 1024

/** Databases of growing size. MiB. */
export const sampleSizes = (bench: Bench): readonly number[] => (bench.quick ? [64] : [64, 512, 2048])

/** The cost of work on a whole replica, each time in a separate process. */
export interface SampleWork {
  /** Bytes of the database. */
  readonly size: number
  /** MB of the database a second, by round. */
  readonly rates: readonly number[]
  /** Bytes over what the process held before. */
  readonly memory: Spread
}

/**
 * Makes a replica of this many MiB, a snapshot and ten small files, and runs an exported function
 * of a module on it, which returns its duration in seconds: (url, directory) => seconds. `anew`:
 * each time on a new replica. `between` runs after each.
 */
export async function workOnSample(
  bench: Bench,
  megabytes: number,
  task: { readonly module: string; readonly name: string; readonly anew?: boolean },
  between: (directory: string) => void = () => undefined,
): Promise<SampleWork> {
  bench.progress(`${task.name}, ${megabytes} MiB`)
  const size = megabytes * MIB
  const directory = path.join(bench.directory, `${task.name}-${megabytes}`)
  const replica = path.join(directory, 'replica')
  const url = pathToFileURL(replica).href
  const [rates, memory]: number[][] = [[], []]
  const rounds = bench.rounds(3)
  for (let round = 0; round < rounds; round++) {
    if (round === 0 || task.anew) {
      rmSync(replica, { recursive: true, force: true })
      await publishSample(url, PAGE_SIZE, size / PAGE_SIZE)
    }
    const { result, memoryBefore, memoryPeak } = await inFreshProcess<number>(task.module, task.name, url, directory)
    rates!.push(size / result / 1e6)
    memory!.push(memoryPeak - memoryBefore)
    between(directory)
  }
  rmSync(directory, { recursive: true })
  return { size, rates: rates!, memory: spread(memory!) }
}
