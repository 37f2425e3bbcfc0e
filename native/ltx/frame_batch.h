// Decodes a batch of consecutive page frames from the page block of an LTX file.
#pragma once
#include "ltx/ltx_codec.h"

namespace litestream {

// The output buffers of DecodeFrameBatch. `pages` has room for `capacity` decoded pages. `pgnos`
// and `sizes` have room for `capacity` numbers. `sizes` gets the encoded size of each frame in
// bytes.
struct FrameBatch {
  size_t capacity;
  uint8_t* pages;
  uint32_t* pgnos;
  uint32_t* sizes;
};

enum class BatchEnd { kMore, kEndMarker, kFault };

struct BatchResult {
  size_t count = 0;  // number of decoded frames
  size_t used = 0;   // encoded size in bytes of the decoded frames
  BatchEnd end = BatchEnd::kMore;
  // if `end` is kFault, the error in the frame that begins at byte `used` of the input
  FrameError fault = FrameError::kNone;
};

// Decodes the frames in the `size` bytes at `src`. Stops when the batch is full, the input ends
// inside a frame, the next frame is damaged, or the end marker is next. Updates the file checksum
// *crc with each decoded frame. If `sum` is not null, xors the checksum of each decoded page into
// *sum.
BatchResult DecodeFrameBatch(const uint8_t* src, size_t size, uint32_t page_size, const FrameBatch& batch, uint64_t* crc,
                             uint64_t* sum);

}  // namespace litestream
