// A SpillFile stores the temporary data of one connection. Up to kMemoryBytes bytes, the data is in
// memory. If the data grows beyond kMemoryBytes, it moves to a temporary file that SQLite's
// original VFS creates. The connection's thread reads and writes the SpillFile. The worker thread
// may read the SpillFile while the connection waits for the result of its commit.
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "vfs/sqlite_copy.h"

namespace litestream {

class SpillFile {
 public:
  explicit SpillFile(const SqliteCopy* copy) : copy_(copy) {}
  ~SpillFile();
  SpillFile(const SpillFile&) = delete;
  SpillFile& operator=(const SpillFile&) = delete;

  // Write, Read and Truncate return an SQLite result code. If an operation on the temporary file
  // fails, the result is the result code of this operation, such as SQLITE_FULL. If an allocation
  // fails, the result is SQLITE_NOMEM.
  int Write(const void* from, uint32_t size, uint64_t offset);
  // Reads `size` bytes of the SpillFile, beginning at `offset`. If the range to read extends beyond
  // the end of the SpillFile, fills the rest of `to` with zeros and returns
  // SQLITE_IOERR_SHORT_READ.
  int Read(void* to, uint32_t size, uint64_t offset) const;
  int Truncate(uint64_t size);
  uint64_t size() const { return size_; }
  bool spilled() const { return file_ != nullptr; }

 private:
  int Spill();

  static constexpr uint64_t kChunkBytes = 64 * 1024;
  static constexpr uint64_t kMemoryBytes = 32 * 1024 * 1024;

  const SqliteCopy* const copy_;
  uint64_t size_ = 0;
  std::vector<std::unique_ptr<uint8_t[]>> chunks_;
  sqlite3_file* file_ = nullptr;  // szOsFile bytes for copy_->original, or null
};

}  // namespace litestream
