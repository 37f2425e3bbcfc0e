import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import path from 'node:path'
import { packageRoot } from '../../src/package-files.js'
import { checkedBinary } from '../../test/support/released.js'
import { cpuOf, memoryOf } from './machine.js'

/** A program with Litestream's command line. */
export interface CommandLine {
  readonly name: string
  readonly file: string
  readonly before: readonly string[]
}

/**
 * This package as it is published, and the released Litestream (LITESTREAM_BIN names another file).
 */
export function commandLines(): readonly [ours: CommandLine, peer: CommandLine] {
  const main = path.join(packageRoot(), 'dist/cli/main.js')
  const binary = process.env.LITESTREAM_BIN ?? checkedBinary('0.5.17')
  return [
    { name: 'litestream-ts', file: process.execPath, before: [main] },
    { name: 'Litestream', file: binary, before: [] },
  ]
}

/** Runs a command to its end. Returns the duration in milliseconds. Throws if the command fails. */
export async function timeCommand({ file, before }: CommandLine, args: readonly string[]): Promise<number> {
  const started = performance.now()
  const child = spawn(file, [...before, ...args], { stdio: 'ignore' })
  const [code] = (await once(child, 'exit')) as [number | null]
  if (code !== 0) throw new Error(`${file} ${args.join(' ')} ended with ${code}`)
  return performance.now() - started
}

/** A running primary. */
export class RunningPrimary {
  readonly #child: ChildProcess

  private constructor(child: ChildProcess) {
    this.#child = child
  }

  static async start({ file, before }: CommandLine, args: readonly string[]): Promise<RunningPrimary> {
    const child = spawn(file, [...before, 'replicate', ...args], { stdio: 'ignore' })
    await once(child, 'spawn')
    return new RunningPrimary(child)
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null
  }

  /** Processor time in milliseconds that the process has used so far. */
  get cpu(): number {
    return cpuOf(this.#child.pid!)
  }

  /** Number of bytes of memory that are resident now. */
  get memory(): number {
    return memoryOf(this.#child.pid!).resident
  }

  /** Number of open files. */
  get descriptors(): number {
    return readdirSync(`/proc/${this.#child.pid}/fd`).length
  }

  async stop(): Promise<void> {
    if (!this.isRunning) return
    const exited = once(this.#child, 'exit')
    this.#child.kill('SIGTERM')
    await exited
  }
}
