// Decodes a batch of consecutive page frames from the page block of an LTX file.
#pragma once
#include "ltx/ltx_codec.h"

namespace litestream {

// The output buffers have room for `capacity` pages, their page numbers and their frame sizes.
struct FrameBatch {
  size_t capacity;
  uint8_t* pages;
  uint32_t* pgnos;
  uint32_t* sizes;
};

enum class BatchEnd { kMore, kEndMarker, kFault };

struct BatchResult {
  size_t count = 0;  // frames decoded
  size_t used = 0;   // bytes consumed
  BatchEnd end = BatchEnd::kMore;
  // the error in the frame that begins at byte `used` of the input
  FrameError fault = FrameError::kNone;
};

// Decodes frames until the batch is full, the input ends inside a frame, the end marker follows, or
// a frame is damaged. Updates the file checksum `crc` with the decoded frames. If `sum` is not
// null, xors the page checksums into `sum`.
BatchResult DecodeFrameBatch(const uint8_t* src, size_t size, uint32_t page_size, const FrameBatch& batch, uint64_t* crc,
                             uint64_t* sum);

}  // namespace litestream
