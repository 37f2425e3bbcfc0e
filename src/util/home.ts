import os from 'node:os'
import path from 'node:path'

/** `~` and `~/x` with the home directory of the user; any other path as it is. */
export function expandHome(written: string): string {
  return written === '~' || written.startsWith('~/') ? path.join(os.homedir(), written.slice(1)) : written
}
