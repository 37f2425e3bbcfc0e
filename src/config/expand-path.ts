import os from 'node:os'
import path from 'node:path'
import { LitestreamError } from '../errors.js'

/** An absolute path of what a person wrote: `~`, `~/x`, `sqlite:///x`, `sqlite3://x` or a plain path. */
export function expandPath(written: string): string {
  const plain = written.replace(/^sqlite3?:\/\//, '')
  if (plain === '~' || plain.startsWith('~/')) return path.join(os.homedir(), plain.slice(1))
  if (plain.startsWith('~')) {
    throw new LitestreamError(
      'INVALID_ARGUMENT',
      `cannot expand ${JSON.stringify(written)}: only your own home (~/) is known`,
      {
        hint: 'Write the absolute path.',
      },
    )
  }
  return path.resolve(plain)
}
