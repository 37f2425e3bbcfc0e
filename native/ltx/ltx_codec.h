// LTX page frames and CRC-64/GO-ISO, without JavaScript: used by the batch calls of
// ltx_codec_napi.cc and, when a reader misses a page, by the page cache. All functions are pure and
// may be called on any thread.
#pragma once
#include <cstddef>
#include <cstdint>

namespace litestream {

constexpr size_t kPageHeaderSize = 6;     // page number (4) and flags (2)
constexpr size_t kFrameHeaderSize = 10;   // page header and payload size (4)
// page header flag: a payload size follows, the payload is an LZ4 block
constexpr uint16_t kFrameHasSize = 0x1;

inline uint32_t ReadU32(const uint8_t* p) {
  return (uint32_t(p[0]) << 24) | (uint32_t(p[1]) << 16) | (uint32_t(p[2]) << 8) | p[3];
}
inline void WriteU32(uint8_t* p, uint32_t v) {
  p[0] = uint8_t(v >> 24); p[1] = uint8_t(v >> 16); p[2] = uint8_t(v >> 8); p[3] = uint8_t(v);
}

// Continues a CRC-64/GO-ISO. `crc` is the finished CRC of the bytes before (0 at the start; the
// inversions happen inside), so calls chain: Crc64(Crc64(0, a), b) == Crc64(0, ab).
uint64_t Crc64(uint64_t crc, const void* data, size_t size);

// Crc64 without special instructions; exported so that a test can compare both on every machine.
uint64_t Crc64Portable(uint64_t crc, const void* data, size_t size);

// The checksum of one page as the database checksum sums it: the CRC of the page number and the
// page, with bit 63 not yet set.
uint64_t PageChecksum(uint32_t pgno, const uint8_t* page, uint32_t page_size);

enum class FrameError : int {
  kNone = 0,
  kTruncated = 1,    // the frame does not lie inside `size`
  kBadHeader = 2,    // page number 0, unknown flag bits, or an impossible payload size
  kBadPayload = 3,   // LZ4 refuses it, or it does not decode to exactly one page
};

// Decodes the frame at `src` into the page at `dst` (`page_size` bytes). If `exact`, the frame must
// be exactly `size` bytes long. Reads both payload forms (block, and the older LZ4 frame). Sets
// *pgno and *used (the size of the frame in bytes).
FrameError DecodeFrame(const uint8_t* src, size_t size, bool exact, uint32_t page_size, uint8_t* dst, uint32_t* pgno,
                       size_t* used);

// The largest size of a frame that EncodeFrame can write.
size_t MaxFrameSize(uint32_t page_size);

// Compresses pages into frames. Not thread-safe. An encoder takes 16 KiB.
class FrameEncoder {
 public:
  FrameEncoder();
  // Writes one frame to `dst`, which has MaxFrameSize bytes of room, and returns its size.
  size_t Encode(uint32_t pgno, const uint8_t* page, uint32_t page_size, uint8_t* dst);

 private:
  alignas(16) unsigned char lz4_state_[16448];  // an LZ4_stream_t
};

// The CRC of a followed by b, computed from the CRCs of both and the length of b: pieces can be
// summed separately, in any order.
uint64_t CombineCrc64(uint64_t a, uint64_t b, uint64_t b_length);

// CombineCrc64 for pieces of one length: eight table look-ups instead of a loop over the bits of
// the length. Immutable, 16 KiB.
class Crc64Append {
 public:
  explicit Crc64Append(uint64_t b_length);
  uint64_t operator()(uint64_t a, uint64_t b) const;

 private:
  uint64_t shifted_[8][256];  // indexed by the position of a byte in `a`
};

// Whether a page header is the end marker of the page block.
inline bool IsEndMarker(const uint8_t* header) { return ReadU32(header) == 0 && header[4] == 0 && header[5] == 0; }

// The number of bytes in a frame before its payload.
size_t FramePrefix(const uint8_t* frame);

// Continues a file checksum over one frame: the stored bytes before the payload, then the decoded
// page.
uint64_t FrameCrc(uint64_t crc, const uint8_t* frame, const uint8_t* page, uint32_t page_size);

}  // namespace litestream
