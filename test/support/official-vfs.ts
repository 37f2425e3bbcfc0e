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

/** What the official VFS answers to `sql` on the replica at `url`, one row a line. */
export async function askOfficialVfs(url: string, sql: string, log: string): Promise<string> {
  const args = ['-batch', '-bail', '-cmd', `.load ${extension()} sqlite3_litestreamvfs_init`, ':memory:']
  const run = promisify(execFile)(SQLITE3, [...args, '.open file:app.db?vfs=litestream', sql], {
    env: { ...process.env, LITESTREAM_REPLICA_URL: url, LITESTREAM_LOG_FILE: log },
    timeout: 20_000,
    maxBuffer: 64 * 1024 * 1024,
  })
  return (await run).stdout.trim()
}
