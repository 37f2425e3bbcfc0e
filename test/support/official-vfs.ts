import { execFile } from 'node:child_process'
import { createRequire } from 'node:module'
import path from 'node:path'
import { promisify } from 'node:util'

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

/** The shell's hash over the whole content of a local database; `askOfficialVfs(url, '.sha3sum', …)` gives that of a replica. */
export async function contentSum(file: string): Promise<string> {
  return (await promisify(execFile)(SQLITE3, ['-batch', file, '.sha3sum'])).stdout.trim()
}
