import { corrupt } from '../../ltx/corrupt.js'
import type { LegacyObjects } from '../../storage/replica-client.js'
import { throwIfAborted } from '../../util/abort.js'
import type { V3AssemblyOptions } from './assemble.js'
import { decodeLz4Frames } from './lz4-frames.js'
import { checkContinues, type V3Plan } from './objects.js'

const MAGIC = Buffer.from('SQLite format 3\0')

/**
 * Reads everything that a restore from Litestream 0.3's format would read, without writing: the
 * snapshot and the WAL segments are decoded with their checksums, the snapshot must be a database,
 * and each WAL must be without a hole. Returns the bytes of the database and of the WALs. Throws
 * LTX_CORRUPT, LTX_GAP, and what the store throws.
 */
export async function verifyV3(objects: LegacyObjects, plan: V3Plan, options: V3AssemblyOptions): Promise<number> {
  const { signal, onProgress } = options
  const total = 1 + plan.segments.length
  let done = 0
  const read = async (name: string, head = Buffer.alloc(0)): Promise<number> => {
    throwIfAborted(signal, `verifying ${name}`)
    let size = 0
    for await (const bytes of decodeLz4Frames(objects.stream(name, { signal }), name)) {
      if (size < head.length) head.set(bytes.subarray(0, head.length - size), size)
      size += bytes.length
    }
    onProgress?.(++done, total)
    return size
  }
  const { name } = plan.snapshot
  const head = Buffer.alloc(100)
  let bytes = await read(name, head)
  const pageSize = head.readUInt16BE(16) === 1 ? 65536 : head.readUInt16BE(16)
  if (!head.subarray(0, MAGIC.length).equals(MAGIC) || pageSize < 512 || bytes % pageSize !== 0) {
    throw corrupt('the snapshot is not an SQLite database', name, 0)
  }
  let [index, end] = [-1, 0]
  for (const segment of plan.segments) {
    if (segment.index !== index) [index, end] = [segment.index, 0]
    checkContinues(segment, end)
    const size = await read(segment.name)
    end += size
    bytes += size
  }
  return bytes
}
