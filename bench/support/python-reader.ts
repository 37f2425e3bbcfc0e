import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { packageRoot } from '../../src/package-files.js'
import { FIRST_ROW, type Reader, type Run, type RunOptions } from './reader.js'

const PYTHON = '/usr/bin/python3'
const OFFICIAL = path.join(packageRoot(), 'node_modules/litestream-vfs-linux-amd64/litestream-vfs.so')

/** Whether the official VFS can be run here. */
export function hasOfficialVfs(): boolean {
  return existsSync(PYTHON) && existsSync(OFFICIAL)
}

/** A process of Debian's python3 with one SQLite connection. */
export class PythonReader implements Reader {
  readonly #child: ChildProcess
  readonly #answers: AsyncIterator<string>

  private constructor(extension: string, database: string, env: NodeJS.ProcessEnv) {
    const script = path.join(packageRoot(), 'bench/support/python-reader.py')
    this.#child = spawn(PYTHON, [script, extension, database], { env, stdio: ['pipe', 'pipe', 'inherit'] })
    this.#answers = createInterface({ input: this.#child.stdout! })[Symbol.asyncIterator]()
  }

  /**
   * The official VFS. `env` is the child's real environment: the extension's Go runtime sees no
   * later change of it. `parameters` go into the SQLite URI.
   */
  static official(url: string, env: NodeJS.ProcessEnv = {}, parameters: Record<string, string> = {}): PythonReader {
    const query = new URLSearchParams({ vfs: 'litestream', mode: 'ro', ...parameters })
    return new PythonReader(OFFICIAL, `file:app.db?${query}`, {
      ...process.env,
      // With it set, its S3 client refuses to start.
      AWS_CA_BUNDLE: undefined,
      LITESTREAM_REPLICA_URL: url,
      // By default it logs to the standard output of the process that loads it.
      LITESTREAM_LOG_FILE: '/dev/null',
      ...env,
    })
  }

  /** A local file through the same driver, to separate Python's part from the VFS's. */
  static local(file: string): PythonReader {
    return new PythonReader('', `file:${file}?mode=ro`, process.env)
  }

  get pid(): number {
    return this.#child.pid!
  }

  open(): Promise<number> {
    return this.openAnother()
  }

  /** Further queries run on the connection opened last; those before stay open. */
  async openAnother(): Promise<number> {
    return (await this.#ask({ do: 'open', sql: FIRST_ROW })).ms as number
  }

  async run(
    sql: string,
    parameters: readonly (readonly (number | string)[])[],
    options: RunOptions = {},
  ): Promise<Run> {
    const { transaction = false, rows = false } = options
    return (await this.#ask({ do: 'run', sql, parameters, transaction, rows })) as unknown as Run
  }

  async close(): Promise<void> {
    const exited = once(this.#child, 'exit')
    this.#child.stdin!.end()
    await exited
  }

  async #ask(command: object): Promise<Record<string, unknown>> {
    this.#child.stdin!.write(`${JSON.stringify(command)}\n`)
    const { value, done } = await this.#answers.next()
    if (done) throw new Error(`python3 ended (${this.#child.exitCode ?? this.#child.signalCode})`)
    const answer = JSON.parse(value)
    if (answer.error !== undefined) throw new Error(`python3: ${answer.error}`)
    return answer
  }
}
