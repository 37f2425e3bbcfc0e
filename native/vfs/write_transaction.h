// A WriteTransaction has the uncommitted pages of the connection that holds the RESERVED lock. The
// pages of a WriteTransaction are an overlay over the connection's pinned view. No other connection
// reads the overlay.
//
// The connection's thread reads and writes the WriteTransaction. The worker thread reads the
// WriteTransaction while the connection waits for the result of its commit. After Seal, the
// connection never changes the WriteTransaction again, whether or not the commit succeeds.
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
  // If the replica is empty, `page_size` is 0. The first page that is written then determines the
  // page size.
  WriteTransaction(const SqliteCopy* copy, uint32_t page_size, uint32_t commit)
      : page_size_(page_size), base_commit_(commit), commit_(commit), bytes_(copy) {}

  uint32_t page_size() const override { return page_size_; }
  // Returns the database size in pages. The size includes the changes of the transaction.
  uint32_t commit() const override { return commit_; }
  bool changed() const { return !slots_.empty() || commit_ != base_commit_; }

  // Writes one whole page. If `size` is not the page size, returns SQLITE_MISMATCH, because a
  // transaction cannot change the page size.
  int Write(const void* page, uint32_t size, uint64_t offset);
  // Discards all pages that are beyond the first `size` bytes.
  int Truncate(uint64_t size);
  bool Has(uint32_t pgno) const { return slots_.find(pgno) != slots_.end(); }
  // Reads part of a page. Has() must be true for this page.
  int Read(uint32_t pgno, uint32_t offset, uint8_t* to, uint32_t size) const;
  // Overwrites part of a page. Has() must be true for this page.
  int Patch(uint32_t pgno, uint32_t offset, const uint8_t* from, uint32_t size);

  // No change of the transaction is possible after Seal. pgnos() then has the page numbers of the
  // commit in ascending order. SQLite does not write a new page whose content does not matter. A
  // new page that SQLite has not written becomes zeros, as in an ordinary file that grew.
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
