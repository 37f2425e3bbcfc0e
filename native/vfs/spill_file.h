// Bytes that one connection writes and reads at random: in memory up to a limit, then in a temporary file of SQLite's.
// Used by the connection's thread; read by the worker thread while the connection waits for its commit.
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

  // All return an SQLite result code: SQLITE_FULL and the like come from the temporary file, SQLITE_NOMEM from memory.
  int Write(const void* from, uint32_t size, uint64_t offset);
  // What lies beyond the end reads as zeros, with SQLITE_IOERR_SHORT_READ.
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
  sqlite3_file* file_ = nullptr;  // szOsFile bytes of the VFS that was default before ours
};

}  // namespace litestream
