// Decodes many page frames that stand one after another, as the page block of a file has them.
#pragma once
#include "ltx/ltx_codec.h"

namespace litestream {

// Room for `capacity` pages, and for number and frame size of each.
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
  FrameError fault = FrameError::kNone;  // of the frame at the first byte not consumed
};

// Decodes until the batch is full, the input ends inside a frame, or the end marker or a bad frame comes.
// Continues the file checksum `crc`; xors page checksums into `sum` unless it is null.
BatchResult DecodeFrameBatch(const uint8_t* src, size_t size, uint32_t page_size, const FrameBatch& batch, uint64_t* crc,
                             uint64_t* sum);

}  // namespace litestream
