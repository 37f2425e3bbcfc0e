#include "wal/wal_frames.h"

#include <algorithm>
#include <vector>

namespace litestream {
namespace {

inline uint32_t Big32(const uint8_t* p) {
  return (uint32_t(p[0]) << 24) | (uint32_t(p[1]) << 16) | (uint32_t(p[2]) << 8) | p[3];
}
inline uint32_t Little32(const uint8_t* p) {
  return (uint32_t(p[3]) << 24) | (uint32_t(p[2]) << 16) | (uint32_t(p[1]) << 8) | p[0];
}

template <uint32_t (*Word)(const uint8_t*)>
void Checksum(const uint8_t* data, size_t size, uint32_t* sum) {
  uint32_t s0 = sum[0], s1 = sum[1];
  for (const uint8_t* end = data + size / 8 * 8; data < end; data += 8) {
    s0 += Word(data) + s1;
    s1 += Word(data + 4) + s0;
  }
  sum[0] = s0;
  sum[1] = s1;
}

}  // namespace

void WalChecksum(bool big_endian, const uint8_t* data, size_t size, uint32_t* sum) {
  if (big_endian) {
    Checksum<Big32>(data, size, sum);
  } else {
    Checksum<Little32>(data, size, sum);
  }
}

size_t ScanWalFrames(const uint8_t* frames, size_t size, const WalGeneration& generation, uint32_t* sum, size_t capacity,
                     uint32_t* pgnos, uint32_t* commits) {
  const size_t frame_size = kWalFrameHeaderSize + generation.page_size;
  const size_t count = std::min(size / frame_size, capacity);
  const uint8_t* p = frames;
  for (size_t i = 0; i < count; i++, p += frame_size) {
    const uint32_t pgno = Big32(p);
    if (pgno == 0 || Big32(p + 8) != generation.salt1 || Big32(p + 12) != generation.salt2) return i;
    uint32_t next[2] = {sum[0], sum[1]};
    WalChecksum(generation.big_endian, p, 8, next);
    WalChecksum(generation.big_endian, p + kWalFrameHeaderSize, generation.page_size, next);
    if (Big32(p + 16) != next[0] || Big32(p + 20) != next[1]) return i;
    sum[0] = next[0];
    sum[1] = next[1];
    pgnos[i] = pgno;
    commits[i] = Big32(p + 4);
  }
  return count;
}

uint32_t NewestWalFrames(const uint32_t* pgnos, uint32_t count, uint32_t commit, uint32_t lock_pgno, uint32_t* out_pgnos,
                         uint32_t* out_frames) {
  std::vector<uint64_t> keys;
  keys.reserve(count);
  for (uint32_t i = 0; i < count; i++) {
    if (pgnos[i] <= commit && pgnos[i] != lock_pgno) keys.push_back((uint64_t(pgnos[i]) << 32) | i);
  }
  std::sort(keys.begin(), keys.end());
  uint32_t used = 0;
  for (size_t i = 0; i < keys.size(); i++) {
    if (i + 1 < keys.size() && (keys[i] >> 32) == (keys[i + 1] >> 32)) continue;
    out_pgnos[used] = uint32_t(keys[i] >> 32);
    out_frames[used++] = uint32_t(keys[i]);
  }
  return used;
}

}  // namespace litestream
