import { fork } from 'node:child_process'
import { once } from 'node:events'
import { cpuOf, memoryOf } from './machine.js'

/** What a task in a fresh process returned, and what it cost there. */
export interface Fresh<T> {
  readonly result: T
  /** Bytes resident before the task, and the most at any time until its end. */
  readonly memoryBefore: number
  readonly memoryPeak: number
  /** Processor time of the task, milliseconds. */
  readonly cpu: number
}

/** Runs an exported function of a module in a process of its own. Arguments and result pass as JSON. */
export async function inFreshProcess<T>(module: string, name: string, ...args: unknown[]): Promise<Fresh<T>> {
  const child = fork(new URL('./fresh-process-child.js', import.meta.url), [module, name, JSON.stringify(args)])
  const exited = once(child, 'exit')
  const [answer] = (await Promise.race([once(child, 'message'), exited])) as [Fresh<T> | number | null]
  await exited
  if (typeof answer !== 'object' || answer === null)
    throw new Error(`${name} in a process of its own ended (${answer})`)
  return answer
}

/** The child's side. */
export async function runTask(module: string, name: string, args: unknown[]): Promise<Fresh<unknown>> {
  const task = (await import(module))[name] as (...args: unknown[]) => unknown
  const memoryBefore = memoryOf().resident
  const cpuBefore = cpuOf()
  const result = (await task(...args)) ?? null
  return { result, memoryBefore, memoryPeak: memoryOf().peak, cpu: cpuOf() - cpuBefore }
}
