import { execFile, spawn } from 'node:child_process'
import { createRequire } from 'node:module'
import path from 'node:path'
import { promisify } from 'node:util'
import { until } from './until.js'

/** Debian's shell: unlike better-sqlite3 it opens URIs and loads extensions by their file name alone. */
const SQLITE3 = '/usr/bin/sqlite3'

/** The released extension of Litestream itself, from the npm package litestream-vfs. */
function extension(): string {
  const require = createRequire(import.meta.url)
  const platform = `litestream-vfs-${process.platform}-${process.arch === 'x64' ? 'amd64' : process.arch}`
  const from = require.resolve('litestream-vfs/package.json')
  return path.join(path.dirname(createRequire(from).resolve(`${platform}/package.json`)), 'litestream-vfs')
}

/**
 * What the official VFS answers to `sql`, or to a command of the shell, on the replica at `url`, one row a line. `env`: more for its
 * environment, credentials or LITESTREAM_WRITE_ENABLED.
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
  #output = ''
  #asked = 0

  /** `log`: where the extension logs. */
  constructor(url: string, log: string) {
    const { AWS_CA_BUNDLE: _, ...environment } = process.env
    const env = { ...environment, LITESTREAM_REPLICA_URL: url, LITESTREAM_LOG_FILE: log }
    this.#shell = spawn(SQLITE3, ['-batch'], { env, stdio: ['pipe', 'pipe', 'pipe'] })
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

  close(): void {
    this.#shell.kill('SIGKILL')
  }
}

/** The shell's hash over the whole content of a local database; `askOfficialVfs(url, '.sha3sum', …)` gives that of a replica. */
export async function contentSum(file: string): Promise<string> {
  return (await promisify(execFile)(SQLITE3, ['-batch', file, '.sha3sum'])).stdout.trim()
}
