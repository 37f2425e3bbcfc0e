#include "ltx/ltx_codec.h"

// LZ4_STATIC_LINKING_ONLY makes lz4.h declare LZ4_compress_fast_extState_fastReset. Before it
// compresses a page of less than 4 KiB, LZ4_compress_fast_extState_fastReset does not clear the 16
// KiB of LZ4's hash table. For a page of 4 KiB or more, every LZ4 function clears the hash table.
#define LZ4_STATIC_LINKING_ONLY
#include <lz4.h>

#include "ltx/ltx_legacy_frame.h"

namespace litestream {

uint64_t PageChecksum(uint32_t pgno, const uint8_t* page, uint32_t page_size) {
  uint8_t number[4];
  WriteU32(number, pgno);
  return Crc64(Crc64(0, number, 4), page, page_size);
}

size_t MaxFrameSize(uint32_t page_size) { return kFrameHeaderSize + size_t(LZ4_compressBound(int(page_size))); }

FrameEncoder::FrameEncoder() {
  static_assert(sizeof(lz4_state_) >= sizeof(LZ4_stream_t), "room for LZ4's state");
  LZ4_initStream(lz4_state_, sizeof(lz4_state_));
}

size_t FrameEncoder::Encode(uint32_t pgno, const uint8_t* page, uint32_t page_size, uint8_t* dst) {
  const int bound = LZ4_compressBound(int(page_size));
  const int n = LZ4_compress_fast_extState_fastReset(lz4_state_, reinterpret_cast<const char*>(page),
                                                     reinterpret_cast<char*>(dst + kFrameHeaderSize), int(page_size), bound, 1);
  WriteU32(dst, pgno);
  dst[4] = 0;
  dst[5] = kFrameHasSize;
  WriteU32(dst + kPageHeaderSize, uint32_t(n));
  return kFrameHeaderSize + size_t(n);
}

size_t FramePrefix(const uint8_t* frame) { return (frame[5] & kFrameHasSize) ? kFrameHeaderSize : kPageHeaderSize; }

uint64_t FrameCrc(uint64_t crc, const uint8_t* frame, const uint8_t* page, uint32_t page_size) {
  return Crc64(Crc64(crc, frame, FramePrefix(frame)), page, page_size);
}

FrameError DecodeFrame(const uint8_t* src, size_t size, bool exact, uint32_t page_size, uint8_t* dst, uint32_t* pgno,
                       size_t* used) {
  if (size < kPageHeaderSize) return FrameError::kTruncated;
  *pgno = ReadU32(src);
  const uint16_t flags = uint16_t((src[4] << 8) | src[5]);
  if (*pgno == 0 || (flags & ~kFrameHasSize) != 0) return FrameError::kBadHeader;
  if (!(flags & kFrameHasSize)) {
    size_t payload = 0;
    const FrameError error = DecodeLz4Frame(src + kPageHeaderSize, size - kPageHeaderSize, page_size, dst, &payload);
    if (error != FrameError::kNone) return error;
    *used = kPageHeaderSize + payload;
  } else {
    if (size < kFrameHeaderSize) return FrameError::kTruncated;
    const uint32_t payload = ReadU32(src + kPageHeaderSize);
    if (payload == 0 || payload > uint32_t(LZ4_compressBound(int(page_size)))) return FrameError::kBadHeader;
    if (payload > size - kFrameHeaderSize) return FrameError::kTruncated;
    const int n = LZ4_decompress_safe(reinterpret_cast<const char*>(src + kFrameHeaderSize), reinterpret_cast<char*>(dst),
                                      int(payload), int(page_size));
    if (n != int(page_size)) return FrameError::kBadPayload;
    *used = kFrameHeaderSize + payload;
  }
  return exact && *used != size ? FrameError::kBadHeader : FrameError::kNone;
}

}  // namespace litestream
