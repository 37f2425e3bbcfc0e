// The processes of a history, and the faults that happen to them.
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { cleanUp } from '../support/clean-up.js'
import type { Random } from '../support/random.js'
import type { ClientSettings } from './client-process.js'
import type { Scope, Way } from './places.js'

/** How long a process may take to end after the request to end. Milliseconds. */
const STOP_MS = 60_000

/** A writer or reader. A killed process is replaced by another one with a log of its own. */
export class Client {
  readonly #kind: string
  readonly #way: Way
  readonly #settings: (name: string) => ClientSettings
  #process: ChildProcess | undefined
  #started = 0
  readonly logs: string[] = []

  constructor(t: Scope, kind: string, way: Way, settings: (name: string) => ClientSettings) {
    this.#kind = kind
    this.#way = way
    this.#settings = settings
    cleanUp(t, () => this.#process?.kill('SIGKILL'))
  }

  /** Resolves when the process has opened the replica, or has ended. */
  async start(): Promise<void> {
    const settings = this.#settings(`${this.#kind}.${++this.#started}`)
    this.logs.push(settings.log)
    const child = fork(new URL('./client-process.js', import.meta.url), [JSON.stringify(settings)], { execArgv: [] })
    this.#process = child
    await Promise.race([once(child, 'message'), once(child, 'exit')])
  }

  /** One fault, to its end. `longest`: milliseconds. Returns what it was. */
  async fault(random: Random, longest: number): Promise<string> {
    const kind = random.pick(['kill', 'stop', 'way', 'way'])
    const ms = random.integer(50, longest)
    const disturbance = kind === 'way' ? this.#way.disturb(random) : undefined
    if (disturbance !== undefined) {
      await delay(ms)
      this.#way.restore()
      return disturbance
    }
    if (kind === 'stop') {
      this.#signal('SIGSTOP')
      await delay(ms)
      this.#signal('SIGCONT')
      return 'SIGSTOP'
    }
    const ended = once(this.#process!, 'exit')
    if (!this.#hasEnded) {
      this.#signal('SIGKILL')
      await ended
    }
    await this.start()
    return 'SIGKILL'
  }

  #signal(signal: NodeJS.Signals): void {
    if (!this.#hasEnded) this.#process!.kill(signal)
  }

  get #hasEnded(): boolean {
    return this.#process!.exitCode !== null || this.#process!.signalCode !== null
  }

  /** Ends the process after its transaction, and checks that it ended well. */
  async stop(): Promise<void> {
    const child = this.#process!
    if (!this.#hasEnded) {
      const exit = once(child, 'exit')
      child.send('stop')
      const timer = setTimeout(() => child.kill('SIGABRT'), STOP_MS)
      await exit
      clearTimeout(timer)
    }
    const { exitCode, signalCode } = child
    if (exitCode !== 0) throw new Error(`${this.logs.at(-1)} ended with ${signalCode ?? `status ${exitCode}`}`)
  }
}
