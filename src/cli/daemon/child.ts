import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { concealCommand } from '../../config/concealed.js'
import { LitestreamError } from '../../errors.js'
import { pause } from '../../util/pause.js'
import { splitCommand } from '../../util/split-command.js'
import { guarded } from '../../util/timers.js'
import { signalStatus } from '../signals.js'

/**
 * How long to wait for a killed program: one that hangs in the kernel, or that changed its user,
 * continues. Milliseconds.
 */
const KILL_MS = 1000

/** The way in which a program ended. */
export interface ChildEnd {
  /** Exit status as a shell reports it. */
  readonly status: number
  /** The signal that ended it, if any. */
  readonly signal?: NodeJS.Signals
}

/** The program of `exec`: replication ends when the program ends, and vice versa. */
export class Child {
  readonly #process: ChildProcess
  /** Resolves when the program has ended. */
  readonly ended: Promise<ChildEnd>

  private constructor(child: ChildProcess) {
    this.#process = child
    this.ended = new Promise((resolve) => {
      child.once('exit', (status, signal) =>
        resolve(signal === null ? { status: status ?? 1 } : { status: signalStatus(signal), signal }),
      )
    })
    // A signal could not be sent, for example because the program has changed its user; it
    // continues to run.
    child.on(
      'error',
      guarded(() => {}),
    )
  }

  /**
   * Starts the program with the environment, output and errors of this process. Throws
   * INVALID_ARGUMENT if the program cannot be started.
   */
  static async start(line: string): Promise<Child> {
    const [command, ...args] = splitCommand(line)
    if (command === undefined)
      throw new LitestreamError('INVALID_ARGUMENT', 'the command of -exec is empty', {
        hint: 'Write the program and its arguments, as in -exec "node server.js".',
      })
    try {
      const child = spawn(command, args, { stdio: ['ignore', 'inherit', 'inherit'] })
      await once(child, 'spawn')
      return new Child(child)
    } catch (error) {
      // Without the cause, which contains the whole command line.
      const { code = 'it failed' } = error as NodeJS.ErrnoException
      throw new LitestreamError('INVALID_ARGUMENT', `cannot start exec command ${concealCommand(line)}: ${code}`, {
        hint: 'Write `sh -c "…"` for pipes and variables: the program is started without a shell.',
      })
    }
  }

  kill(signal: NodeJS.Signals): void {
    this.#process.kill(signal)
  }

  /**
   * Sends the signal, and SIGKILL if the program still runs after `patience` milliseconds. Resolves
   * when the program has ended, or cannot be ended.
   */
  async stop(signal: NodeJS.Signals, patience: number, onKill: () => void): Promise<void> {
    this.kill(signal)
    if (await this.#endsWithin(patience)) return
    onKill()
    this.kill('SIGKILL')
    await this.#endsWithin(KILL_MS)
  }

  async #endsWithin(ms: number): Promise<boolean> {
    const ended = new AbortController()
    void this.ended.then(() => ended.abort())
    await pause(ms, ended.signal)
    return ended.signal.aborted
  }
}
