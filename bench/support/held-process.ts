import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { cpuOf, memoryOf } from './machine.js'

/** The functions of a held process: ending its work, and answering requests. */
export type End = (() => Promise<void>) & { readonly answers?: Readonly<Record<string, () => unknown>> }

/** A module's work in a held process: starts it, and returns how to end it. */
export type Hold = (...args: never[]) => Promise<End>

/** A separate process whose work continues until it is stopped. */
export class HeldProcess {
  readonly #child: ChildProcess

  private constructor(child: ChildProcess) {
    this.#child = child
  }

  /** Runs the exported Hold of a module; resolves when it has begun. Arguments pass as JSON. */
  static async start(module: string, name: string, ...args: unknown[]): Promise<HeldProcess> {
    const child = fork(new URL('./held-process-child.js', import.meta.url), [module, name, JSON.stringify(args)])
    const ready = await messageOrExit(child)
    if (ready !== 'ready') throw new Error(`${name} in a process of its own ended (${ready})`)
    return new HeldProcess(child)
  }

  /** Processor time in milliseconds that the process has used so far. */
  get cpu(): number {
    return cpuOf(this.#child.pid!)
  }

  /** Number of bytes of memory that are resident now. */
  get memory(): number {
    return memoryOf(this.#child.pid!).resident
  }

  /** One of its answers; one request at a time. Throws if the process has ended. */
  async ask<T>(question: string): Promise<T> {
    if (this.#child.exitCode !== null) throw new Error(`the process ended with ${this.#child.exitCode}`)
    this.#child.send(question)
    const answer = await messageOrExit(this.#child)
    if (typeof answer !== 'object' || answer === null)
      throw new Error(`the process ended (${answer}), asked ${question}`)
    return (answer as { answer: T }).answer
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null) return
    const exited = once(this.#child, 'exit')
    this.#child.send('stop')
    await exited
  }
}

/** The child's next message, or, when it ends before it sends any, its exit status. */
async function messageOrExit(child: ChildProcess): Promise<unknown> {
  const settled = new AbortController()
  const { signal } = settled
  try {
    const [first] = await Promise.race([once(child, 'message', { signal }), once(child, 'exit', { signal })])
    return first
  } finally {
    settled.abort() // the listener for the other one, which would stay with the child
  }
}
