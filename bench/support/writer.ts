import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import type { ReplicateOptions } from '../../src/index.js'

/** A primary in a process of its own. */
export class Writer {
  readonly #child: ChildProcess
  readonly #directory: string

  private constructor(child: ChildProcess, directory: string) {
    this.#child = child
    this.#directory = directory
  }

  /** Resolves once the replica holds the whole database. `rate`: small transactions a second. */
  static async start(
    file: string,
    directory: string,
    url: string,
    rate: number,
    options: ReplicateOptions = {},
  ): Promise<Writer> {
    const child = fork(new URL('./writer-child.js', import.meta.url), [
      ...[file, directory, url, String(rate)],
      JSON.stringify(options),
    ])
    const [ready] = await Promise.race([once(child, 'message'), once(child, 'exit')])
    if (ready !== 'ready') throw new Error(`the writing process ended (${ready})`)
    return new Writer(child, directory)
  }

  /** The database that is written to. */
  get file(): string {
    return path.join(this.#directory, 'primary.db')
  }

  get pid(): number {
    return this.#child.pid!
  }

  async close(): Promise<void> {
    const exited = once(this.#child, 'exit')
    this.#child.send('close')
    await exited
  }
}
