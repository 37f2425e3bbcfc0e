import { decodeLtx } from './decoder.js'
import { INDEX_LENGTH_SIZE, TRAILER_SIZE } from './format.js'
import { type LtxSummary, summarize } from './inspect.js'

/**
 * Reads a whole LTX file and checks all its content. Throws LTX_CORRUPT at the first fault of the
 * content.
 */
export async function verifyLtx(source: AsyncIterable<Uint8Array>, file: string): Promise<LtxSummary> {
  const ltx = await decodeLtx(source, file)
  for await (const _batch of ltx.batches);
  const { index, indexOffset, fileSize, ...checksums } = ltx.trailer!
  return summarize(ltx.header, fileSize, index, fileSize - TRAILER_SIZE - INDEX_LENGTH_SIZE - indexOffset, checksums)
}
