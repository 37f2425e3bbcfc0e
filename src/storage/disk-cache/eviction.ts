import { readdir, rm, stat } from 'node:fs/promises'
import path from 'node:path'
import { isErrno } from '../../fs/fs-error.js'

/** After dropping, this share of the limit is in use: not every write makes room anew. */
const LOW_WATER = 0.9
const SEGMENT_NAME = /^[0-9a-f]{32}-\d+$/

interface Entry {
  readonly file: string
  /** Bytes on disk, holes left out. */
  readonly bytes: number
  readonly usedAt: number
}

/** Drops the segments that were used longest ago until a directory holds less than `limit` bytes. Returns the bytes left. */
export async function makeRoom(directory: string, limit: number): Promise<number> {
  const entries: Entry[] = []
  for (const name of await readdir(directory)) {
    if (!SEGMENT_NAME.test(name)) continue
    const file = path.join(directory, name)
    try {
      const { blocks, mtimeMs } = await stat(file)
      entries.push({ file, bytes: blocks * 512, usedAt: mtimeMs })
    } catch (error) {
      if (!isErrno(error, 'ENOENT')) throw error // another process dropped it
    }
  }
  let total = entries.reduce((sum, { bytes }) => sum + bytes, 0)
  if (total <= limit) return total
  for (const { file, bytes } of entries.sort((a, b) => a.usedAt - b.usedAt)) {
    if (total <= limit * LOW_WATER) break
    await rm(file, { force: true })
    await rm(`${file}.sums`, { force: true })
    total -= bytes
  }
  return total
}
