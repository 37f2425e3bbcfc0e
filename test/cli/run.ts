import { type ChildProcess, spawn } from 'node:child_process'
import path from 'node:path'

/** The published command line: `npm test` makes this bundle before it runs tests that need it. */
export const main = path.resolve(import.meta.dirname, '../../../dist/cli/main.js')

export interface Finished {
  readonly status: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

/** A started command line: what it has printed so far, and the promise of its end. */
export interface Running {
  readonly child: ChildProcess
  readonly finished: Promise<Finished>
  stdout(): string
  stderr(): string
}

/** The environment of a user without any settings of this program. */
function environment(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const own = /^(LITESTREAM_|LOG_LEVEL$|NO_COLOR$|NODE_V8_COVERAGE$|NODE_TEST_CONTEXT$)/
  const inherited = Object.entries(process.env).filter(([name]) => !own.test(name))
  return { ...Object.fromEntries(inherited), ...env }
}

export interface RunOptions {
  readonly env?: NodeJS.ProcessEnv
  readonly cwd?: string
  /** Run as the user of `ordinaryUser`, for whom permissions count. */
  readonly ordinary?: boolean
}

/** The user `nobody` if the tests run as root, otherwise the user that runs them. */
export const ordinaryUser: { readonly uid?: number; readonly gid?: number } =
  process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : {}

/** Starts the command as a separate process. */
export function start(args: readonly string[], options: RunOptions = {}): Running {
  const child = spawn(process.execPath, [main, ...args], {
    cwd: options.cwd,
    env: environment(options.env ?? {}),
    ...(options.ordinary ? ordinaryUser : {}),
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  const finished = new Promise<Finished>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (status, signal) => resolve({ status, signal, stdout, stderr }))
  })
  return { child, finished, stdout: () => stdout, stderr: () => stderr }
}

/** Runs the command to its end. */
export function run(args: readonly string[], options: RunOptions = {}): Promise<Finished> {
  return start(args, options).finished
}
