import os from 'node:os'
import path from 'node:path'

/** Expands `~` and `~/x` with the user's home directory; returns any other path unchanged. */
export function expandHome(written: string): string {
  return written === '~' || written.startsWith('~/') ? path.join(os.homedir(), written.slice(1)) : written
}
