import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { LitestreamError } from '../../errors.js'
import { splitCommand } from '../../util/split-command.js'
import { signalStatus } from '../signals.js'

/** The program that `exec` names: it runs for as long as replication does, and the other way round. */
export class Child {
  readonly #process: ChildProcess
  /** The exit status a shell would report, once it has ended. */
  readonly ended: Promise<number>

  private constructor(child: ChildProcess) {
    this.#process = child
    this.ended = once(child, 'exit').then(([status, signal]) =>
      signal === null ? (status as number) : signalStatus(signal as NodeJS.Signals),
    )
  }

  /** Starts it with our environment, output and errors. Throws INVALID_ARGUMENT where it cannot be started. */
  static async start(line: string): Promise<Child> {
    const [command, ...args] = splitCommand(line)
    if (command === undefined) throw new LitestreamError('INVALID_ARGUMENT', 'the command of -exec is empty')
    const child = spawn(command, args, { stdio: ['ignore', 'inherit', 'inherit'] })
    try {
      await once(child, 'spawn')
    } catch (cause) {
      throw new LitestreamError(
        'INVALID_ARGUMENT',
        `cannot start exec command ${command}: ${(cause as Error).message}`,
        {
          cause,
          hint: 'It is started without a shell: write `sh -c "…"` for pipes and variables.',
        },
      )
    }
    return new Child(child)
  }

  kill(signal: NodeJS.Signals): void {
    this.#process.kill(signal)
  }
}
