import { lstat } from 'node:fs/promises'
import path from 'node:path'
import { isErrno } from '../../fs/fs-error.js'
import { namesIn } from '../../fs/names-in.js'
import { removeFile } from '../../fs/remove.js'

/**
 * Fraction of the size limit to which an eviction shrinks the cache, so that the next write does
 * not evict again.
 */
const LOW_WATER = 0.9
const SEGMENT_NAME = /^[0-9a-f]{32}-\d+$/

interface Entry {
  readonly file: string
  /**
   * Disk space that the segment occupies, in bytes. Holes in the segment's sparse file do not
   * count.
   */
  readonly bytes: number
  readonly usedAt: number
}

/**
 * Deletes the least recently used segments of a directory if the directory holds more than `limit`
 * bytes. Returns the size in bytes of the remaining segments.
 */
export async function makeRoom(directory: string, limit: number): Promise<number> {
  const entries: Entry[] = []
  for (const name of await namesIn(directory, (entry) => SEGMENT_NAME.test(entry))) {
    const file = path.join(directory, name)
    try {
      const stats = await lstat(file)
      if (!stats.isFile()) continue
      const { blocks, mtimeMs } = stats
      entries.push({ file, bytes: blocks * 512, usedAt: mtimeMs })
    } catch (error) {
      if (!isErrno(error, 'ENOENT')) throw error // another process deleted it
    }
  }
  let total = entries.reduce((sum, { bytes }) => sum + bytes, 0)
  if (total <= limit) return total
  for (const { file, bytes } of entries.sort((a, b) => a.usedAt - b.usedAt)) {
    if (total <= limit * LOW_WATER) break
    await removeFile(file)
    await removeFile(`${file}.sums`)
    total -= bytes
  }
  return total
}
