// The frames of a -wal file. Pure functions of buffers, for any thread. Format and checksum:
// https://www.sqlite.org/fileformat2.html#walformat
#pragma once
#include <cstddef>
#include <cstdint>

namespace litestream {

constexpr size_t kWalFrameHeaderSize = 24;

// Continues SQLite's WAL checksum `sum` (two words) over `data`. `size`: a multiple of 8; what is left over
// is not summed.
void WalChecksum(bool big_endian, const uint8_t* data, size_t size, uint32_t* sum);

// What every frame of one generation of the WAL has in common.
struct WalGeneration {
  uint32_t page_size;
  bool big_endian;
  uint32_t salt1, salt2;
};

// How many whole frames from the start of `frames` are valid, at most `capacity`. Fills page number and
// commit of each, and advances `sum` over them.
size_t ScanWalFrames(const uint8_t* frames, size_t size, const WalGeneration& generation, uint32_t* sum, size_t capacity,
                     uint32_t* pgnos, uint32_t* commits);

// The last frame of each page up to `commit` except `lock_pgno`, by ascending page number. `out_pgnos` and
// `out_frames` have room for `count`. Returns how many there are.
uint32_t NewestWalFrames(const uint32_t* pgnos, uint32_t count, uint32_t commit, uint32_t lock_pgno, uint32_t* out_pgnos,
                         uint32_t* out_frames);

}  // namespace litestream
