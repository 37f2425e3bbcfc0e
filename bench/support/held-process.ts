import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { cpuOf, memoryOf } from './machine.js'

/** What a module does in a held process: begins, and returns how to end it. */
export type Hold = (...args: never[]) => Promise<() => Promise<void>>

/** A process of its own in which something goes on until it is told to stop. */
export class HeldProcess {
  readonly #child: ChildProcess

  private constructor(child: ChildProcess) {
    this.#child = child
  }

  /** Runs the exported Hold of a module; resolves when it has begun. Arguments pass as JSON. */
  static async start(module: string, name: string, ...args: unknown[]): Promise<HeldProcess> {
    const child = fork(new URL('./held-process-child.js', import.meta.url), [module, name, JSON.stringify(args)])
    const [ready] = await Promise.race([once(child, 'message'), once(child, 'exit')])
    if (ready !== 'ready') throw new Error(`${name} in a process of its own ended (${ready})`)
    return new HeldProcess(child)
  }

  /** Processor time used so far, milliseconds. */
  get cpu(): number {
    return cpuOf(this.#child.pid!)
  }

  /** Bytes resident now. */
  get memory(): number {
    return memoryOf(this.#child.pid!).resident
  }

  async stop(): Promise<void> {
    const exited = once(this.#child, 'exit')
    this.#child.send('stop')
    await exited
  }
}
