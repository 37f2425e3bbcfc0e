// Random-access bytes of one connection: in memory up to a limit, then in a temporary file of
// SQLite's. The connection's thread uses it; the worker thread reads it while the connection waits
// for its commit.
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

  // All methods return an SQLite result code: codes such as SQLITE_FULL come from the temporary
  // file, SQLITE_NOMEM from memory.
  int Write(const void* from, uint32_t size, uint64_t offset);
  // Bytes beyond the end read as zeros, with SQLITE_IOERR_SHORT_READ.
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
