import { randomUUID } from 'node:crypto'
import { renameSync, writeFileSync } from 'node:fs'
import path from 'node:path'

/**
 * Makes a file replica unwritable, even for root: a file replaces the directory of the levels. A
 * running process may write to it meanwhile, and may create the directory again at that moment.
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
