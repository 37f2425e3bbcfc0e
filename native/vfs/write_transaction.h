// A WriteTransaction has the pages that one connection has written while it holds the RESERVED lock
// and has not committed yet. The pages of a WriteTransaction are an overlay over the connection's
// pinned view. No other connection reads the overlay.
//
// The connection's thread reads and writes the WriteTransaction. The worker thread reads the
// WriteTransaction while the connection waits for its commit. After Seal, the connection never
// changes the WriteTransaction again, whatever the result of the commit.
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
  // A `page_size` of 0 means an empty replica. In an empty replica the first written page
  // determines the page size.
  WriteTransaction(const SqliteCopy* copy, uint32_t page_size, uint32_t commit)
      : page_size_(page_size), base_commit_(commit), commit_(commit), bytes_(copy) {}

  uint32_t page_size() const override { return page_size_; }
  // Returns the size of the database in pages, including the changes of the transaction.
  uint32_t commit() const override { return commit_; }
  bool changed() const { return !slots_.empty() || commit_ != base_commit_; }

  // Writes one whole page. Returns SQLITE_MISMATCH if `size` is not the page size, because a
  // transaction cannot change the page size.
  int Write(const void* page, uint32_t size, uint64_t offset);
  // Discards the pages beyond `size` bytes.
  int Truncate(uint64_t size);
  bool Has(uint32_t pgno) const { return slots_.find(pgno) != slots_.end(); }
  // Reads part of a page for which Has() is true.
  int Read(uint32_t pgno, uint32_t offset, uint8_t* to, uint32_t size) const;
  // Overwrites part of a page for which Has() is true.
  int Patch(uint32_t pgno, uint32_t offset, const uint8_t* from, uint32_t size);

  // Ends the changes of the transaction. After Seal, pgnos() has the pages of the commit in
  // ascending order. A new page that SQLite did not write, because its content does not matter,
  // becomes zeros, as in an ordinary file that grew.
  int Seal();
  const std::vector<uint32_t>& pgnos() const override { return pgnos_; }
  bool ReadPage(uint32_t pgno, uint8_t* to) const override { return Read(pgno, 0, to, page_size_) == SQLITE_OK; }

 private:
  uint32_t page_size_;
  const uint32_t base_commit_;
  uint32_t commit_;
  SpillFile bytes_;
  std::unordered_map<uint32_t, uint32_t> slots_;  // page number to index in bytes_, in pages
  std::vector<uint32_t> free_;
  uint32_t used_ = 0;
  std::vector<uint32_t> pgnos_;
};

}  // namespace litestream
