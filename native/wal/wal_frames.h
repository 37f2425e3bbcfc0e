// Checks and searches the frames of a -wal file. The functions of wal_frames.h depend only on their
// arguments. Any thread may call these functions. SQLite documents the format and the checksum at
// https://www.sqlite.org/fileformat2.html#walformat
#pragma once
#include <cstddef>
#include <cstdint>

namespace litestream {

constexpr size_t kWalFrameHeaderSize = 24;

// Updates SQLite's WAL checksum `sum` (two words) with `data`. Ignores the last size % 8 bytes.
void WalChecksum(bool big_endian, const uint8_t* data, size_t size, uint32_t* sum);

// The fields of the WAL header that apply to all frames until the next WAL header.
struct WalGeneration {
  uint32_t page_size;
  bool big_endian;
  uint32_t salt1, salt2;
};

// Returns how many consecutive frames at the start of `frames` are valid, but not more than
// `capacity`. Stores the page number and the database size of each valid frame, and updates `sum`
// with the valid frames.
size_t ScanWalFrames(const uint8_t* frames, size_t size, const WalGeneration& generation, uint32_t* sum, size_t capacity,
                     uint32_t* pgnos, uint32_t* commits);

// Finds the last frame of each page from 1 to `commit`, but not of page `lock_pgno`. Stores the
// pages in ascending order of page numbers. `out_pgnos` and `out_frames` must have room for `count`
// elements. Returns the number of pages found.
uint32_t NewestWalFrames(const uint32_t* pgnos, uint32_t count, uint32_t commit, uint32_t lock_pgno, uint32_t* out_pgnos,
                         uint32_t* out_frames);

}  // namespace litestream
