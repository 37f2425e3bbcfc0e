import type { Stats } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { LitestreamError } from '../../errors.js'
import type { LtxFileInfo, LtxFileRef } from '../replica-client.js'

/**
 * The version of a file is its exact mtime. A primary sets the mtime to the LTX timestamp. The
 * mtimes of files that two primaries wrote therefore differ by at least a millisecond.
 */
export function infoOf({ level, minTxid, maxTxid }: LtxFileRef, { size, mtimeMs, mode }: Stats): LtxFileInfo {
  const version = String(mtimeMs)
  return { level, minTxid, maxTxid, size, createdAt: Math.round(mtimeMs), version, mode: mode & 0o777 }
}

/** Fills `data` with the bytes at `offset`. Throws STORAGE_FAILED if the file is too short. */
export async function readFully(handle: FileHandle, data: Uint8Array, offset: number, name: string): Promise<void> {
  for (let at = 0; at < data.byteLength; ) {
    const { bytesRead } = await handle.read(data, at, data.byteLength - at, offset + at)
    if (bytesRead === 0) {
      throw new LitestreamError('STORAGE_FAILED', `${name} became shorter during the read`, {
        file: name,
        offset: offset + at,
      })
    }
    at += bytesRead
  }
}
