// The frames of a -wal file. Pure functions of buffers; any thread. Format and checksum:
// https://www.sqlite.org/fileformat2.html#walformat
#pragma once
#include <cstddef>
#include <cstdint>

namespace litestream {

constexpr size_t kWalFrameHeaderSize = 24;

// Continues SQLite's WAL checksum `sum` (two words) over `data`. `size` must be a multiple of 8; a
// remainder is ignored.
void WalChecksum(bool big_endian, const uint8_t* data, size_t size, uint32_t* sum);

// The values that all frames of one WAL generation share.
struct WalGeneration {
  uint32_t page_size;
  bool big_endian;
  uint32_t salt1, salt2;
};

// Returns the number of valid whole frames from the start of `frames`, at most `capacity`. Stores
// page number and commit of each, and advances `sum` over them.
size_t ScanWalFrames(const uint8_t* frames, size_t size, const WalGeneration& generation, uint32_t* sum, size_t capacity,
                     uint32_t* pgnos, uint32_t* commits);

// Finds the last frame of each page up to `commit` except `lock_pgno`, by ascending page number.
// `out_pgnos` and `out_frames` must have room for `count`. Returns the number of pages.
uint32_t NewestWalFrames(const uint32_t* pgnos, uint32_t count, uint32_t commit, uint32_t lock_pgno, uint32_t* out_pgnos,
                         uint32_t* out_frames);

}  // namespace litestream
