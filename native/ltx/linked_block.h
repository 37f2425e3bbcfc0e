// A block of an LZ4 frame may refer to the decoded bytes of the frame's earlier blocks.
#pragma once
#include <lz4.h>

#include <climits>
#include <cstddef>
#include <cstdint>

namespace litestream {

// Decodes the LZ4 block of `length` bytes at `src` to out[offset...]. `out` has room for `size`
// bytes. The first `offset` bytes of `out` are the decoded bytes of the earlier blocks. Returns the
// number of decoded bytes, or -1 if the block is damaged or needs more than size - offset bytes.
// The result is also -1 if `length` or `size` is more than INT_MAX, because LZ4 counts bytes in an
// int.
inline int DecodeLinkedBlock(const uint8_t* src, size_t length, uint8_t* out, size_t size, size_t offset) {
  if (size == 0 || offset > size || length > size_t(INT_MAX) || size > size_t(INT_MAX)) return -1;
  const int n = LZ4_decompress_safe_usingDict(reinterpret_cast<const char*>(src), reinterpret_cast<char*>(out + offset),
                                              int(length), int(size - offset), reinterpret_cast<const char*>(out),
                                              int(offset));
  return n < 0 ? -1 : n;
}

}  // namespace litestream
