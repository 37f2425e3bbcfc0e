import { rm } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'

/**
 * Removes a folder in which another process may create files meanwhile: `rm` lists a folder once,
 * and fails with ENOTEMPTY if a file was created after that. Rejects after ten seconds.
 */
export async function removeWhileUsed(directory: string): Promise<void> {
  const end = Date.now() + 10_000
  for (;;) {
    try {
      await rm(directory, { recursive: true, force: true })
      return
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOTEMPTY' || Date.now() > end) throw error
    }
    await delay(20)
  }
}
