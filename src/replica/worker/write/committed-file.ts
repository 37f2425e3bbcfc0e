import type { FileReader } from '../../../levels/remote-index.js'
import { resolveRange } from '../../../storage/range.js'
import type { LtxFileInfo } from '../../../storage/replica-client.js'

/** A file that this process has just written to the replica. */
export interface CommittedFile {
  readonly info: LtxFileInfo
  /** All of it, if it is in memory. */
  readonly bytes: Uint8Array | undefined
}

/** Reads a file that is in memory as if it were in the store. */
export function memoryReader(url: string, bytes: Uint8Array): FileReader {
  return {
    url,
    async read(file, range) {
      const { offset, length } = resolveRange(range, bytes.length, `TXID ${file.minTxid}`)
      return { data: bytes.subarray(offset, offset + length), offset, fileSize: bytes.length }
    },
  }
}
