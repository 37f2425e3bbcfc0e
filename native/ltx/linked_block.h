// A block of an LZ4 frame may refer to bytes that earlier blocks of this frame decode to.
#pragma once
#include <lz4.h>

#include <climits>
#include <cstddef>
#include <cstdint>

namespace litestream {

// Decodes an LZ4 block to out[offset...]. `out` has `size` bytes, and contains the decoded bytes of
// earlier blocks before `offset`. Returns the number of decoded bytes, or -1 if the block is
// damaged or needs more room. Refuses a block of more than INT_MAX bytes, because LZ4 counts bytes
// in an int.
inline int DecodeLinkedBlock(const uint8_t* src, size_t length, uint8_t* out, size_t size, size_t offset) {
  if (size == 0 || offset > size || length > size_t(INT_MAX) || size > size_t(INT_MAX)) return -1;
  const int n = LZ4_decompress_safe_usingDict(reinterpret_cast<const char*>(src), reinterpret_cast<char*>(out + offset),
                                              int(length), int(size - offset), reinterpret_cast<const char*>(out),
                                              int(offset));
  return n < 0 ? -1 : n;
}

}  // namespace litestream
