import type { LitestreamError } from '../errors.js'
import { corrupt, wrongIndex } from './corrupt.js'
import { FRAME_HEADER_SIZE, PAGE_FLAG_SIZE } from './format.js'

/** The position of a frame according to the page index. */
export interface ListedFrame {
  readonly pgno: number
  readonly offset: number
  readonly size: number
}

/**
 * Returns the error for a frame whose content or page number contradicts the page index. `frame`
 * contains the bytes of the frame. `file` is the label of the file for messages.
 */
export function frameFault(frame: Uint8Array, { pgno, offset, size }: ListedFrame, file: string): LitestreamError {
  if (frame.length >= FRAME_HEADER_SIZE) {
    const view = new DataView(frame.buffer, frame.byteOffset, frame.length)
    const [own, flags, length] = [view.getUint32(0), view.getUint16(4), FRAME_HEADER_SIZE + view.getUint32(6)]
    // The frame itself is intact, but the page index states another page number.
    if (own !== pgno && own > 0 && flags === PAGE_FLAG_SIZE && length === size)
      return wrongIndex(file, offset, pgno, own)
  }
  return corrupt('the frame is damaged', file, offset, pgno)
}
