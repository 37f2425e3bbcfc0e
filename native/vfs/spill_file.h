// A SpillFile is a temporary file of one connection. Up to a limit, the content of a SpillFile
// stays in memory. Above the limit, the content moves to a temporary file that SQLite creates. The
// connection's thread reads and writes the SpillFile. The worker thread reads the SpillFile while
// the connection waits for the result of its commit.
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

  // Write, Read and Truncate return an SQLite result code. If the temporary file fails, the result
  // is the error code of this file, such as SQLITE_FULL. If an allocation fails, the result is
  // SQLITE_NOMEM.
  int Write(const void* from, uint32_t size, uint64_t offset);
  // If the range extends beyond the end of the file, fills the rest of `to` with zeros and returns
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
  sqlite3_file* file_ = nullptr;  // szOsFile bytes, for the VFS that was the default before ours
};

}  // namespace litestream
