import { fork } from 'node:child_process'
import { once } from 'node:events'
import { cpuOf, memoryOf } from './machine.js'

/** The result of a task in a fresh process, and its cost there. */
export interface Fresh<T> {
  readonly result: T
  /** Bytes resident before the task, and the most at any time until its end. */
  readonly memoryBefore: number
  readonly memoryPeak: number
  /** Processor time of the task, milliseconds. */
  readonly cpu: number
}

/**
 * The report of a separate process that runs `script`, a file beside this one, after it has ended.
 */
export async function answerOf<T extends object>(
  script: string,
  args: string[],
  env: NodeJS.ProcessEnv = {},
): Promise<T> {
  const child = fork(new URL(`./${script}`, import.meta.url), args, { env: { ...process.env, ...env } })
  const exited = once(child, 'exit')
  const [answer] = (await Promise.race([once(child, 'message'), exited])) as [T | number | null]
  await exited
  if (typeof answer === 'object' && answer !== null) return answer
  throw new Error(`${script} ${args.join(' ')}: the process ended (${answer}) and told nothing`)
}

/**
 * Runs an exported function of a module in a separate process. Arguments and result are passed as
 * JSON.
 */
export function inFreshProcess<T>(module: string, name: string, ...args: unknown[]): Promise<Fresh<T>> {
  return answerOf('fresh-process-child.js', [module, name, JSON.stringify(args)])
}

/** The child's side. */
export async function runTask(module: string, name: string, args: unknown[]): Promise<Fresh<unknown>> {
  const task = (await import(module))[name] as (...args: unknown[]) => unknown
  const memoryBefore = memoryOf().resident
  const cpuBefore = cpuOf()
  const result = (await task(...args)) ?? null
  return { result, memoryBefore, memoryPeak: memoryOf().peak, cpu: cpuOf() - cpuBefore }
}
