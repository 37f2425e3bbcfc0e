// The payload of a page frame without a size field is an LZ4 frame (magic 0x184D2204) that contains
// one page. Earlier versions of Litestream wrote page frames without a size field.
#pragma once
#include "ltx/ltx_codec.h"

namespace litestream {

// Decodes the LZ4 frame at `src` into exactly `page_size` bytes at `dst` and sets *used to the
// length of the LZ4 frame in bytes. Skips the optional checksums of the LZ4 frame, because the LTX
// file's checksum covers the page.
FrameError DecodeLz4Frame(const uint8_t* src, size_t size, uint32_t page_size, uint8_t* dst, size_t* used);

}  // namespace litestream
