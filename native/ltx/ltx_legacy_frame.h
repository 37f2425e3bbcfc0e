// The payload of page frames written before frames carried a size: an LZ4 frame (magic 0x184D2204) with one page in it.
#pragma once
#include "ltx/ltx_codec.h"

namespace litestream {

// Decodes the LZ4 frame at `src` into exactly `page_size` bytes at `dst` and sets *used to its length. Its own optional checksums
// are stepped over: the LTX file's checksum covers the page.
FrameError DecodeLz4Frame(const uint8_t* src, size_t size, uint32_t page_size, uint8_t* dst, size_t* used);

}  // namespace litestream
