import { randomUUID } from 'node:crypto'
import { renameSync, writeFileSync } from 'node:fs'
import path from 'node:path'

/**
 * Makes a folder replica one that nothing can be written to any more, not even by root: a file where the directory of the levels
 * was. A process may be writing to it all the while, and may make the directory anew just then.
 */
export function breakReplica(replica: string): void {
  const levels = path.join(replica, 'ltx')
  for (let attempt = 1; ; attempt++) {
    try {
      renameSync(levels, `${levels}-${randomUUID()}`)
      writeFileSync(levels, 'not a directory', { flag: 'wx' })
      return
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (attempt === 100 || (code !== 'EEXIST' && code !== 'ENOENT' && code !== 'EISDIR')) throw error
    }
  }
}
