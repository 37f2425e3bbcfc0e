import path from 'node:path'
import { LitestreamError } from '../errors.js'
import { expandHome } from '../util/home.js'

/**
 * Converts a configured path to an absolute path. Accepts `~`, `~/x`, `sqlite:///x`, `sqlite3://x`
 * and plain paths. On Windows, `sqlite:///C:/x` becomes `C:\x`.
 */
export function expandPath(written: string, platform: NodeJS.Platform = process.platform): string {
  const isWindows = platform === 'win32'
  const text = written.replace(/^sqlite3?:\/\//, '')
  const plain = expandHome(isWindows ? text.replace(/^\/(?=[a-z]:)/i, '') : text, platform)
  if (plain.startsWith('~')) {
    throw new LitestreamError(
      'INVALID_ARGUMENT',
      `cannot expand ${JSON.stringify(written)}: only the user's own home directory (~/) is supported`,
      {
        hint: 'Write the absolute path.',
      },
    )
  }
  return (isWindows ? path.win32 : path.posix).resolve(plain)
}
