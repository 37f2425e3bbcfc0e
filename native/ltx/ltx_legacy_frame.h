// The payload of page frames that were written before frames had a size field: an LZ4 frame (magic
// 0x184D2204) that contains one page.
#pragma once
#include "ltx/ltx_codec.h"

namespace litestream {

// Decodes the LZ4 frame at `src` into exactly `page_size` bytes at `dst` and sets *used to its
// length. Skips the optional checksums of the LZ4 frame: the LTX file's checksum covers the page.
FrameError DecodeLz4Frame(const uint8_t* src, size_t size, uint32_t page_size, uint8_t* dst, size_t* used);

}  // namespace litestream
