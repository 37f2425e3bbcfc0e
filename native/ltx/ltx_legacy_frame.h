// The payload of a page frame without a size field is an LZ4 frame (magic 0x184D2204) that contains
// one page. Earlier versions of Litestream wrote page frames without a size field.
#pragma once
#include "ltx/ltx_codec.h"

namespace litestream {

// Decodes the LZ4 frame that begins at `src` into the page at `dst`. The decoded content must have
// exactly `page_size` bytes. `src` has `size` bytes, and other bytes may follow the LZ4 frame. Sets
// *used to the encoded size of the LZ4 frame in bytes. DecodeLz4Frame does not verify the optional
// checksums of the LZ4 frame, because the checksum of the LTX file covers the page.
FrameError DecodeLz4Frame(const uint8_t* src, size_t size, uint32_t page_size, uint8_t* dst, size_t* used);

}  // namespace litestream
