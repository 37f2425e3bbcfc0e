import { type ChildProcess, type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { TestContext } from 'node:test'
import { cleanUp } from './clean-up.js'

export interface Child {
  readonly process: ChildProcess
  /** The text that the program has written to its standard output so far. */
  output(): string
  errors(): string
  /** Exit status of the program, or the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals>
}

/**
 * Runs JavaScript, with the compiled `src` at `src`, in a Node of its own; killed with the test if
 * it still runs.
 */
export function runScript(
  t: TestContext,
  script: string,
  env: NodeJS.ProcessEnv = {},
  nodePath = process.execPath,
): Child {
  const src = new URL('../../src', import.meta.url).href
  const source = `const src = ${JSON.stringify(src)};\n${script}`
  return watched(
    t,
    spawn(nodePath, ['--input-type=module', '-e', source], {
      cwd: new URL('../../..', import.meta.url),
      env: { ...process.env, NODE_TEST_CONTEXT: undefined, ...env },
      stdio: ['pipe', 'pipe', 'pipe'],
    }),
  )
}

/**
 * Runs a program that is not ours; killed with the test if it still runs. `env`: added to the
 * environment of the test.
 */
export function runCommand(t: TestContext, file: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Child {
  return watched(t, spawn(file, args, { env: { ...process.env, ...env }, stdio: ['pipe', 'pipe', 'pipe'] }))
}

function watched(t: TestContext, child: ChildProcessWithoutNullStreams): Child {
  let output = ''
  let errors = ''
  child.stdout.setEncoding('utf8').on('data', (text) => {
    output += text
  })
  child.stderr.setEncoding('utf8').on('data', (text) => {
    errors += text
  })
  cleanUp(t, () => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
  })
  const ended = once(child, 'close').then(([code, signal]) => (signal ?? code) as number | NodeJS.Signals)
  return { process: child, output: () => output, errors: () => errors, ended }
}
