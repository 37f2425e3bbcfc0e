#include "ltx/ltx_legacy_frame.h"

#include <cstring>

#include "ltx/linked_block.h"

namespace litestream {
namespace {

constexpr uint32_t kMagic = 0x184D2204u;
constexpr uint32_t kUncompressedBlock = 0x80000000u;

inline uint32_t ReadLe32(const uint8_t* p) {
  return uint32_t(p[0]) | (uint32_t(p[1]) << 8) | (uint32_t(p[2]) << 16) | (uint32_t(p[3]) << 24);
}

}  // namespace

FrameError DecodeLz4Frame(const uint8_t* src, size_t size, uint32_t page_size, uint8_t* dst, size_t* used) {
  if (size < 7) return FrameError::kTruncated;
  if (ReadLe32(src) != kMagic) return FrameError::kBadPayload;
  const uint8_t flags = src[4];
  const bool block_checksums = flags & 0x10, content_size = flags & 0x08, content_checksum = flags & 0x04;
  // The LZ4 frame must have version 1. The reserved bits and the dictionary flag of the LZ4 frame
  // must be 0. An LTX file cannot contain a dictionary.
  if ((flags >> 6) != 1 || (flags & 0x03) != 0 || (src[5] & 0x8f) != 0) return FrameError::kBadPayload;
  size_t at = 6 + (content_size ? 8 : 0) + 1;
  uint32_t written = 0;
  for (;;) {
    if (size < at + 4) return FrameError::kTruncated;
    const uint32_t word = ReadLe32(src + at);
    at += 4;
    if (word == 0) break;
    const uint32_t length = word & ~kUncompressedBlock;
    if (length > uint32_t(LZ4_compressBound(int(page_size)))) return FrameError::kBadPayload;
    if (size < at + length + (block_checksums ? 4 : 0)) return FrameError::kTruncated;
    if (word & kUncompressedBlock) {
      if (length > page_size - written) return FrameError::kBadPayload;
      memcpy(dst + written, src + at, length);
      written += length;
    } else {
      const int n = DecodeLinkedBlock(src + at, length, dst, page_size, written);
      if (n < 0) return FrameError::kBadPayload;
      written += uint32_t(n);
    }
    at += length + (block_checksums ? 4 : 0);
  }
  if (content_checksum) at += 4;
  if (size < at) return FrameError::kTruncated;
  if (written != page_size) return FrameError::kBadPayload;
  *used = at;
  return FrameError::kNone;
}

}  // namespace litestream
