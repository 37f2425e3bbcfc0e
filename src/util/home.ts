import os from 'node:os'
import path from 'node:path'

/**
 * Replaces `~` at the beginning of the paths `~` and `~/x` (on Windows also `~\x`) by the user's
 * home directory. Returns any other path unchanged.
 */
export function expandHome(written: string, platform: NodeJS.Platform = process.platform): string {
  const isHome = written === '~' || written.startsWith('~/') || (platform === 'win32' && written.startsWith('~\\'))
  return isHome ? (platform === 'win32' ? path.win32 : path.posix).join(os.homedir(), written.slice(1)) : written
}
