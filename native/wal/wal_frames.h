// Checks and searches the frames of a -wal file. The results of the functions of wal_frames.h
// depend only on the arguments. Any thread may call the functions of wal_frames.h. SQLite documents
// the format and the checksum of the -wal file at https://www.sqlite.org/fileformat2.html#walformat
#pragma once
#include <cstddef>
#include <cstdint>

namespace litestream {

constexpr size_t kWalFrameHeaderSize = 24;

// Updates SQLite's WAL checksum `sum` (two 32-bit words) with the `size` bytes at `data`.
// WalChecksum ignores the last size % 8 bytes.
void WalChecksum(bool big_endian, const uint8_t* data, size_t size, uint32_t* sum);

// The fields of the WAL header that apply to all frames until SQLite writes the next WAL header.
struct WalGeneration {
  uint32_t page_size;
  bool big_endian;
  uint32_t salt1, salt2;
};

// Returns how many consecutive WAL frames at the start of `frames` (`size` bytes) are valid, but
// not more than `capacity`. For each valid frame, stores the page number in `pgnos` and the
// database size in pages in `commits`, and updates the WAL checksum `sum`. If a frame does not end
// a transaction, its database size is 0.
size_t ScanWalFrames(const uint8_t* frames, size_t size, const WalGeneration& generation, uint32_t* sum, size_t capacity,
                     uint32_t* pgnos, uint32_t* commits);

// Finds the last WAL frame of each page from 1 to `commit`, except page `lock_pgno`. `pgnos` has
// the page numbers of `count` frames. Stores the found page numbers in `out_pgnos` in ascending
// order, and the indexes of their frames in `out_frames`. `out_pgnos` and `out_frames` must have
// room for `count` elements. Returns the number of found pages.
uint32_t NewestWalFrames(const uint32_t* pgnos, uint32_t count, uint32_t commit, uint32_t lock_pgno, uint32_t* out_pgnos,
                         uint32_t* out_frames);

}  // namespace litestream
