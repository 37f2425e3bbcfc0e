#include "ltx/frame_batch.h"

namespace litestream {

BatchResult DecodeFrameBatch(const uint8_t* src, size_t size, uint32_t page_size, const FrameBatch& batch, uint64_t* crc,
                             uint64_t* sum) {
  BatchResult result;
  while (result.count < batch.capacity && size - result.used >= kPageHeaderSize) {
    const uint8_t* frame = src + result.used;
    if (IsEndMarker(frame)) {
      result.end = BatchEnd::kEndMarker;
      break;
    }
    uint8_t* page = batch.pages + result.count * page_size;
    uint32_t pgno = 0;
    size_t used = 0;
    const FrameError error = DecodeFrame(frame, size - result.used, false, page_size, page, &pgno, &used);
    if (error == FrameError::kTruncated) break;
    if (error != FrameError::kNone) {
      result.end = BatchEnd::kFault;
      result.fault = error;
      break;
    }
    *crc = FrameCrc(*crc, frame, page, page_size);
    if (sum != nullptr) *sum ^= PageChecksum(pgno, page, page_size);
    batch.pgnos[result.count] = pgno;
    batch.sizes[result.count] = uint32_t(used);
    result.used += used;
    result.count++;
  }
  return result;
}

}  // namespace litestream
