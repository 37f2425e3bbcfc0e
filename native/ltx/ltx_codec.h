// Encodes and decodes LTX page frames, and computes CRC-64/GO-ISO. The functions of ltx_codec.h do
// not use N-API and keep no global state. Any thread may call the functions of ltx_codec.h.
#pragma once
#include <cstddef>
#include <cstdint>

namespace litestream {

constexpr size_t kPageHeaderSize = 6;     // page number (4) and flags (2)
constexpr size_t kFrameHeaderSize = 10;   // page header and payload size (4)
// flag of a page header: if this flag is set, the frame has a size field and its payload is an LZ4
// block
constexpr uint16_t kFrameHasSize = 0x1;

inline uint32_t ReadU32(const uint8_t* p) {
  return (uint32_t(p[0]) << 24) | (uint32_t(p[1]) << 16) | (uint32_t(p[2]) << 8) | p[3];
}
inline void WriteU32(uint8_t* p, uint32_t v) {
  p[0] = uint8_t(v >> 24); p[1] = uint8_t(v >> 16); p[2] = uint8_t(v >> 8); p[3] = uint8_t(v);
}

// Appends `data` to a message whose CRC-64/GO-ISO is `crc`, and returns the CRC of the longer
// message. The CRC of an empty message is 0. For two byte strings a and b, Crc64(Crc64(0, a), b) is
// equal to Crc64(0, ab).
uint64_t Crc64(uint64_t crc, const void* data, size_t size);

// Computes the same CRC as Crc64, but never uses carry-less multiplication. The addon exports
// Crc64Portable so that a test can compare Crc64 with Crc64Portable on every machine.
uint64_t Crc64Portable(uint64_t crc, const void* data, size_t size);

// Returns the checksum of a page, which is the CRC of the page number and the page's bytes. The
// database checksum is the xor of the page checksums of all pages, with bit 63 set.
uint64_t PageChecksum(uint32_t pgno, const uint8_t* page, uint32_t page_size);

enum class FrameError : int {
  kNone = 0,
  kTruncated = 1,    // the frame has more than `size` bytes
  kBadHeader = 2,    // page number 0, unknown flag bits, or an impossible payload size
  kBadPayload = 3,   // LZ4 refuses the payload, or the payload does not decode to exactly one page
};

// Decodes the frame that begins at `src` into the page at `dst` (`page_size` bytes). `src` has
// `size` bytes. If `exact` is true, the encoded frame must have exactly `size` bytes. If `exact` is
// false, other bytes may follow the encoded frame. The payload of a frame with a size field is an
// LZ4 block. The payload of a frame without a size field is an LZ4 frame. Sets *pgno to the page
// number and *used to the encoded size of the frame in bytes.
FrameError DecodeFrame(const uint8_t* src, size_t size, bool exact, uint32_t page_size, uint8_t* dst, uint32_t* pgno,
                       size_t* used);

// Returns the encoded size in bytes of the largest frame that FrameEncoder::Encode can write.
size_t MaxFrameSize(uint32_t page_size);

// Compresses database pages into the page frames of an LTX file. Only one thread at a time may use
// a FrameEncoder. A FrameEncoder takes 16 KiB of memory.
class FrameEncoder {
 public:
  FrameEncoder();
  // Encodes the page at `page` as one frame, writes the frame to `dst`, and returns the encoded
  // size in bytes. `dst` must have room for MaxFrameSize(page_size) bytes.
  size_t Encode(uint32_t pgno, const uint8_t* page, uint32_t page_size, uint8_t* dst);

 private:
  alignas(16) unsigned char lz4_state_[16448];  // an LZ4_stream_t
};

// Returns the CRC of the concatenation of two byte strings. `a` is the CRC of the first string, `b`
// is the CRC of the second string, and `b_length` is the length of the second string in bytes.
uint64_t CombineCrc64(uint64_t a, uint64_t b, uint64_t b_length);

// Combines CRCs like CombineCrc64, but for one fixed length of the second string. A call of
// Crc64Append needs eight table look-ups, whereas CombineCrc64 needs a loop over the bits of
// `b_length`. A Crc64Append is immutable and takes 16 KiB of memory.
class Crc64Append {
 public:
  explicit Crc64Append(uint64_t b_length);
  uint64_t operator()(uint64_t a, uint64_t b) const;

 private:
  uint64_t shifted_[8][256];  // indexed by the position of a byte in `a`
};

// Returns whether the page header at `header` is the end marker of the page block.
inline bool IsEndMarker(const uint8_t* header) { return ReadU32(header) == 0 && header[4] == 0 && header[5] == 0; }

// Returns the number of bytes that precede the payload in the frame at `frame`.
size_t FramePrefix(const uint8_t* frame);

// Returns the file checksum `crc`, updated with the frame at `frame` and its decoded page at
// `page`. For each frame, a file checksum covers the stored bytes that precede the payload,
// followed by the decoded page.
uint64_t FrameCrc(uint64_t crc, const uint8_t* frame, const uint8_t* page, uint32_t page_size);

}  // namespace litestream
