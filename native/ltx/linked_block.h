// One block of an LZ4 frame. A block may refer to the bytes that were decoded before it.
#pragma once
#include <lz4.h>

#include <climits>
#include <cstddef>
#include <cstdint>

namespace litestream {

// Decodes a block to out[offset...]; `out` has `size` bytes, and what was decoded before lies in front of
// `offset`. Returns the bytes decoded, or -1 for a damaged block or one that needs more room. LZ4 counts in
// ints: what is larger is no block of this project.
inline int DecodeLinkedBlock(const uint8_t* src, size_t length, uint8_t* out, size_t size, size_t offset) {
  if (size == 0 || offset > size || length > size_t(INT_MAX) || size > size_t(INT_MAX)) return -1;
  const int n = LZ4_decompress_safe_usingDict(reinterpret_cast<const char*>(src), reinterpret_cast<char*>(out + offset),
                                              int(length), int(size - offset), reinterpret_cast<const char*>(out),
                                              int(offset));
  return n < 0 ? -1 : n;
}

}  // namespace litestream
