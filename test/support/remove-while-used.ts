import { rmSync } from 'node:fs'

/**
 * Removes a folder in which another process may create files meanwhile: `rmSync` lists a folder
 * once, and fails with ENOTEMPTY if a file was created after that. Throws after 100 attempts.
 */
export function removeWhileUsed(directory: string): void {
  for (let attempt = 1; ; attempt++) {
    try {
      rmSync(directory, { recursive: true, force: true })
      return
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOTEMPTY' || attempt === 100) throw error
    }
  }
}
