import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { TestContext } from 'node:test'
import type { ReplicatorOptions } from '../../src/primary/options.js'
import { cleanUp } from '../support/clean-up.js'
import { until } from '../support/until.js'

export type ChildEvent = { readonly name: string; readonly [key: string]: unknown }

/** A process has to start, on a machine that may be busy with other tests. Milliseconds. */
const DEADLINE = 60_000

/** primary-process.ts, running. */
export class PrimaryChild {
  readonly events: ChildEvent[] = []
  readonly #child: ChildProcess
  #synced = 0
  #exited: Promise<unknown[]>

  /** `wrapper`: a command that runs the process, such as setpriv. */
  constructor(
    t: TestContext,
    file: string,
    url: string,
    options: Partial<ReplicatorOptions> = {},
    wrapper: readonly string[] = [],
  ) {
    const script = new URL('./primary-process.js', import.meta.url).pathname
    const fast = { monitorInterval: 5, syncInterval: 5, shutdownSyncTimeout: 5000, ...options }
    const [command, ...args] = [...wrapper, process.execPath, script, file, url, JSON.stringify(fast)]
    this.#child = spawn(command!, args, { stdio: ['pipe', 'pipe', 2] })
    cleanUp(t, () => this.kill())
    this.#exited = once(this.#child, 'exit')
    createInterface(this.#child.stdout!).on('line', (line) => {
      if (line.startsWith('synced')) this.#synced++
      else this.events.push(JSON.parse(line))
    })
  }

  of(name: string): ChildEvent[] {
    return this.events.filter((event) => event.name === name)
  }

  /** Resolves with the first event of this name after the first `after` ones. */
  waitFor(name: string, after = 0): Promise<ChildEvent> {
    return until(`there is an event ${name}`, () => this.of(name)[after], DEADLINE)
  }

  /**
   * Resolves once everything is in the replica. A long WAL in small files takes its time: it may,
   * as long as files appear.
   */
  async sync(): Promise<void> {
    const before = this.#synced
    this.#child.stdin!.write('sync\n')
    while (this.#synced === before) {
      const seen = this.events.length
      await until('the primary continues', () => this.#synced > before || this.events.length > seen, DEADLINE)
    }
  }

  get pid(): number {
    return this.#child.pid!
  }

  signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.#child.kill(signal)
  }

  async kill(): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.#exited
  }

  /** Returns the exit status. */
  async stop(): Promise<number | null> {
    this.#child.kill('SIGTERM')
    const [code] = await this.#exited
    return code as number | null
  }

  async exited(): Promise<number | null> {
    return (await this.#exited)[0] as number | null
  }
}
