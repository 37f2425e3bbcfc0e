import path from 'node:path'
import { LitestreamError } from '../errors.js'
import { expandHome } from '../util/home.js'

/**
 * The absolute path for a configured path: `~`, `~/x`, `sqlite:///x`, `sqlite3://x` or a plain
 * path.
 */
export function expandPath(written: string): string {
  const plain = expandHome(written.replace(/^sqlite3?:\/\//, ''))
  if (plain.startsWith('~')) {
    throw new LitestreamError(
      'INVALID_ARGUMENT',
      `cannot expand ${JSON.stringify(written)}: only the user's own home directory (~/) is supported`,
      {
        hint: 'Write the absolute path.',
      },
    )
  }
  return path.resolve(plain)
}
