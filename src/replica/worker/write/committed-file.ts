import type { FileReader } from '../../../levels/remote-index.js'
import { resolveRange } from '../../../storage/range.js'
import type { LtxFileInfo } from '../../../storage/replica-client.js'

/** An LTX file that this process has just written to the replica. */
export interface CommittedFile {
  readonly info: LtxFileInfo
  /** The whole LTX file, or undefined if the file is not in memory. */
  readonly bytes: Uint8Array | undefined
}

/** Returns a FileReader for an LTX file that is in memory. */
export function memoryReader(url: string, bytes: Uint8Array): FileReader {
  return {
    url,
    async read(file, range) {
      const { offset, length } = resolveRange(range, bytes.length, `TXID ${file.minTxid}`)
      return { data: bytes.subarray(offset, offset + length), offset, fileSize: bytes.length }
    },
  }
}
