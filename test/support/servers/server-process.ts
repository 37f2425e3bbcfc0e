import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs'

const SETPRIV = '/usr/bin/setpriv'

/**
 * A server that dies with the process that started it, however that dies, where the system can
 * arrange it (Linux).
 */
export class ServerProcess {
  readonly #child: ChildProcess
  readonly #log: string
  readonly #exited: Promise<unknown>
  readonly #killOnExit = () => this.#child.kill('SIGKILL')

  /** Output goes to the file `log`. */
  constructor(command: string, args: readonly string[], log: string, env: NodeJS.ProcessEnv = process.env) {
    const out = openSync(log, 'a')
    const tethered = existsSync(SETPRIV)
    this.#child = tethered
      ? spawn(SETPRIV, ['--pdeathsig', 'KILL', command, ...args], { stdio: ['ignore', out, out], env })
      : spawn(command, args, { stdio: ['ignore', out, out], env })
    closeSync(out)
    this.#log = log
    this.#exited = once(this.#child, 'exit')
    this.#exited.catch(() => {}) // a failed spawn shows in `assertRunning`
    process.once('exit', this.#killOnExit)
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  get running(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null && this.#child.pid !== undefined
  }

  /** Throws an error with the end of the server's log if the server has ended. */
  assertRunning(): void {
    if (this.running) return
    const log = readFileSync(this.#log, 'utf8').slice(-2000)
    throw new Error(
      `${this.#child.spawnargs.join(' ')} ended (${this.#child.exitCode ?? this.#child.signalCode}):\n${log}`,
    )
  }

  /** Resolves when the server process has ended. */
  async stop(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    process.off('exit', this.#killOnExit)
    if (!this.running) return
    this.#child.kill(signal)
    await this.#exited
  }
}
