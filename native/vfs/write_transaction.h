// The pages that one connection has written since it took the RESERVED lock, until they are committed or given up: an overlay over
// the view that it has pinned, visible to this connection alone.
//
// Threads: the connection's thread writes and reads it. While the connection waits for its commit, the worker thread reads it; from
// then on the connection changes nothing in it, whatever becomes of the commit.
#pragma once
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "replica/commit_source.h"
#include "vfs/spill_file.h"

namespace litestream {

class WriteTransaction final : public CommitSource {
 public:
  // `page_size` 0: the replica is empty, the first page that is written decides.
  WriteTransaction(const SqliteCopy* copy, uint32_t page_size, uint32_t commit)
      : page_size_(page_size), base_commit_(commit), commit_(commit), bytes_(copy) {}

  uint32_t page_size() const override { return page_size_; }
  // Size of the database in pages, as the transaction sees it.
  uint32_t commit() const override { return commit_; }
  bool changed() const { return !slots_.empty() || commit_ != base_commit_; }

  // One whole page. SQLITE_MISMATCH for anything else: the page size would be another.
  int Write(const void* page, uint32_t size, uint64_t offset);
  // Pages beyond it are gone.
  int Truncate(uint64_t size);
  bool Has(uint32_t pgno) const { return slots_.find(pgno) != slots_.end(); }
  // Part of a page that Has() has.
  int Read(uint32_t pgno, uint32_t offset, uint8_t* to, uint32_t size) const;
  // Overwrites part of such a page.
  int Patch(uint32_t pgno, uint32_t offset, const uint8_t* from, uint32_t size);

  // Ends all changes: afterwards pgnos() has the pages of the commit in ascending order. New pages that SQLite did not write, because
  // nothing in them counts, become zeros, as in a file that grew.
  int Seal();
  const std::vector<uint32_t>& pgnos() const override { return pgnos_; }
  bool ReadPage(uint32_t pgno, uint8_t* to) const override { return Read(pgno, 0, to, page_size_) == SQLITE_OK; }

 private:
  uint32_t page_size_;
  const uint32_t base_commit_;
  uint32_t commit_;
  SpillFile bytes_;
  std::unordered_map<uint32_t, uint32_t> slots_;  // by page number: its place in bytes_, in pages
  std::vector<uint32_t> free_;
  uint32_t used_ = 0;
  std::vector<uint32_t> pgnos_;
};

}  // namespace litestream
