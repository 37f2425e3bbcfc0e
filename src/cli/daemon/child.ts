import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { concealCommand } from '../../config/concealed.js'
import { LitestreamError } from '../../errors.js'
import { pause } from '../../util/pause.js'
import { splitCommand } from '../../util/split-command.js'
import { guarded } from '../../util/timers.js'
import { signalStatus } from '../signals.js'

/**
 * Milliseconds to wait for the end of a program after SIGKILL was sent to it. SIGKILL may not end a
 * program that hangs in the kernel or runs as another user.
 */
const KILL_MS = 1000

/** How a program ended. */
export interface ChildEnd {
  /** The exit status that a shell would report. */
  readonly status: number
  /** The signal that ended the program, or undefined if the program exited without a signal. */
  readonly signal?: NodeJS.Signals
}

/**
 * The program that `exec` starts. Replication ends when the program of `exec` ends, and the program
 * gets a signal when replication ends.
 */
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
    // Node.js emits `error` if it could not send a signal, for example because the program runs as
    // another user. The error is ignored, because the program still runs and `ended` must not
    // resolve.
    child.on(
      'error',
      guarded(() => {}),
    )
  }

  /**
   * Starts the program with the environment of this process and with its stdout and stderr. Throws
   * INVALID_ARGUMENT if the program cannot be started.
   */
  static async start(line: string): Promise<Child> {
    const [command, ...args] = splitCommand(line)
    if (command === undefined)
      throw new LitestreamError('INVALID_ARGUMENT', 'the command of -exec is empty', {
        hint: 'Write the program and its arguments after -exec, as in -exec "node server.js".',
      })
    try {
      const child = spawn(command, args, { stdio: ['ignore', 'inherit', 'inherit'] })
      await once(child, 'spawn')
      return new Child(child)
    } catch (error) {
      // The thrown error has no `cause`, because the original error of Node.js contains the whole
      // command line.
      const { code = 'unknown error' } = error as NodeJS.ErrnoException
      throw new LitestreamError('INVALID_ARGUMENT', `cannot start exec command ${concealCommand(line)}: ${code}`, {
        hint: 'Write `sh -c "…"` for pipes and variables: litestream-ts starts the program without a shell.',
      })
    }
  }

  kill(signal: NodeJS.Signals): void {
    this.#process.kill(signal)
  }

  /**
   * Sends `signal` to the program. After `patience` milliseconds, sends SIGKILL if the program
   * still runs. Resolves when the program has ended, or at most one second after SIGKILL.
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
