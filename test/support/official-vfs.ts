import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { promisify } from 'node:util'
import { formatTxid } from '../../src/ltx/txid.js'
import { until } from './until.js'

/**
 * Debian's shell: unlike better-sqlite3 it opens URIs and loads extensions by their file name
 * alone.
 */
const SQLITE3 = '/usr/bin/sqlite3'

/** Debian's Python: its sqlite3 loads extensions, too. */
const PYTHON = '/usr/bin/python3'

/** The released extension of Litestream itself, from the npm package litestream-vfs. */
export function extension(): string {
  const require = createRequire(import.meta.url)
  const platform = `litestream-vfs-${process.platform}-${process.arch === 'x64' ? 'amd64' : process.arch}`
  const from = require.resolve('litestream-vfs/package.json')
  return path.join(path.dirname(createRequire(from).resolve(`${platform}/package.json`)), 'litestream-vfs')
}

/**
 * What the official VFS answers to `sql`, or to a command of the shell, on the replica at `url`,
 * one row a line. `env`: more for its environment, credentials or LITESTREAM_WRITE_ENABLED.
 */
export async function askOfficialVfs(
  url: string,
  sql: string,
  log: string,
  env: Readonly<Record<string, string>> = {},
): Promise<string> {
  // With AWS_CA_BUNDLE set its S3 client does not start.
  const { AWS_CA_BUNDLE: _, ...environment } = process.env
  const args = ['-batch', '-bail', '-cmd', `.load ${extension()} sqlite3_litestreamvfs_init`, ':memory:']
  const run = promisify(execFile)(SQLITE3, [...args, '.open file:app.db?vfs=litestream', sql], {
    env: { ...environment, ...env, LITESTREAM_REPLICA_URL: url, LITESTREAM_LOG_FILE: log },
    timeout: 120_000,
    maxBuffer: 64 * 1024 * 1024,
  })
  return (await run).stdout.trim()
}

/** A connection of the official VFS that stays open. */
export class OfficialConnection {
  readonly #shell
  readonly #ended: Promise<unknown>
  readonly #log
  #output = ''
  #asked = 0

  /**
   * `log`: where the extension logs. `env`: more for its environment, credentials or
   * LITESTREAM_HYDRATION_ENABLED.
   */
  constructor(url: string, log: string, env: Readonly<Record<string, string>> = {}) {
    const { AWS_CA_BUNDLE: _, ...environment } = process.env
    const own = { LITESTREAM_REPLICA_URL: url, LITESTREAM_LOG_FILE: log }
    this.#log = log
    this.#shell = spawn(SQLITE3, ['-batch'], {
      env: { ...environment, ...env, ...own },
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    this.#ended = once(this.#shell, 'close')
    for (const stream of [this.#shell.stdout, this.#shell.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => {
        this.#output += text
      })
    }
    const load = `.load ${extension()} sqlite3_litestreamvfs_init`
    this.#shell.stdin.write(`${load}\n.open file:app.db?vfs=litestream\n.bail off\n`)
  }

  /** Everything that the shell prints for `sql`, errors included. */
  async ask(sql: string): Promise<string> {
    const end = `--end ${++this.#asked}--`
    this.#output = ''
    this.#shell.stdin.write(`${sql};\n.print ${end}\n`)
    await until(`the official VFS answers ${sql}`, () => this.#output.includes(end))
    return this.#output.replace(end, '').trim()
  }

  /**
   * Waits for the TXID that it says it is at: what it has polled, which need not be what a
   * transaction sees.
   */
  async reaches(txid: number): Promise<void> {
    const text = formatTxid(txid)
    await until(`the official VFS is at ${text}`, async () => (await this.ask('PRAGMA litestream_txid')) === text)
  }

  /** Waits until `count` lines of its log contain `text`. */
  async logs(text: string, count = 1): Promise<void> {
    const lines = () => readFileSync(this.#log, 'utf8').split('\n')
    await until(`its log says ${text}`, () => lines().filter((line) => line.includes(text)).length >= count)
  }

  /** Closes the replica as an application would; keeps a hydrated file with a configured path. */
  async exit(): Promise<void> {
    this.#shell.stdin.end('.exit\n')
    await this.#ended
  }

  close(): void {
    this.#shell.kill('SIGKILL')
  }
}

export interface PythonResult {
  /** Exit status, or the signal that ended it. */
  readonly status: number | NodeJS.Signals | null
  readonly output: string
  readonly errors: string
}

/**
 * The official VFS in Python: `load(connection)` loads it, and `sqlite3` is Python's own driver.
 */
export async function runOfficialInPython(
  url: string,
  log: string,
  script: string,
  env: Readonly<Record<string, string>> = {},
): Promise<PythonResult> {
  const { AWS_CA_BUNDLE: _, ...environment } = process.env
  const prelude = `import os, sqlite3, time
def load(connection):
    connection.enable_load_extension(True)
    connection.execute("SELECT load_extension(?, 'sqlite3_litestreamvfs_init')", (os.environ['EXTENSION'],))
`
  const child = spawn(PYTHON, ['-u', '-c', prelude + script], {
    env: { ...environment, LITESTREAM_REPLICA_URL: url, LITESTREAM_LOG_FILE: log, EXTENSION: extension(), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let [output, errors] = ['', '']
  child.stdout.setEncoding('utf8').on('data', (text) => {
    output += text
  })
  child.stderr.setEncoding('utf8').on('data', (text) => {
    errors += text
  })
  const [code, signal] = await once(child, 'close')
  return { status: signal ?? code, output, errors }
}

/**
 * The shell's hash over the whole content of a local database; `askOfficialVfs(url, '.sha3sum', …)`
 * gives that of a replica.
 */
export async function contentSum(file: string): Promise<string> {
  return (await promisify(execFile)(SQLITE3, ['-batch', file, '.sha3sum'])).stdout.trim()
}
