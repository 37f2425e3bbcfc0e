// A SpillFile is a temporary file of one connection. The content of a SpillFile stays in memory up
// to a limit. Beyond the limit, the content moves to a temporary file of SQLite's. The connection's
// thread reads and writes the SpillFile. The worker thread reads the SpillFile while the connection
// waits for its commit.
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
  // is its code, such as SQLITE_FULL. If an allocation fails, the result is SQLITE_NOMEM.
  int Write(const void* from, uint32_t size, uint64_t offset);
  // Fills `to` with zeros for bytes beyond the end of the file, and returns SQLITE_IOERR_SHORT_READ
  // if `to` has such bytes.
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
