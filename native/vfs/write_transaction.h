// A WriteTransaction has the uncommitted pages of the connection that holds the RESERVED lock. The
// uncommitted pages are an overlay over the view that the connection has pinned. Only the
// connection that holds the RESERVED lock reads the overlay.
//
// The connection's thread reads and writes the WriteTransaction. The worker thread may read the
// WriteTransaction after the connection has sent its commit request. After Seal, the
// WriteTransaction never changes, whether the commit succeeds or fails.
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
  // `commit` is the view's database size in pages. If the replica is empty, `page_size` is 0, and
  // the first page that SQLite writes determines the page size.
  WriteTransaction(const SqliteCopy* copy, uint32_t page_size, uint32_t commit)
      : page_size_(page_size), base_commit_(commit), commit_(commit), bytes_(copy) {}

  uint32_t page_size() const override { return page_size_; }
  // Returns the database size in pages after the changes of the transaction.
  uint32_t commit() const override { return commit_; }
  bool changed() const { return !slots_.empty() || commit_ != base_commit_; }

  // Writes the page at `page` (`size` bytes) at the offset `offset` of the database file. If `size`
  // is not the page size, returns SQLITE_MISMATCH, because a transaction cannot change the page
  // size.
  int Write(const void* page, uint32_t size, uint64_t offset);
  // Changes the database size to `size` bytes, and discards the written pages beyond this size.
  int Truncate(uint64_t size);
  bool Has(uint32_t pgno) const { return slots_.find(pgno) != slots_.end(); }
  // Copies the bytes [offset, offset + size) of page `pgno` to `to`. Has(pgno) must be true.
  int Read(uint32_t pgno, uint32_t offset, uint8_t* to, uint32_t size) const;
  // Overwrites the bytes [offset, offset + size) of page `pgno`. Has(pgno) must be true.
  int Patch(uint32_t pgno, uint32_t offset, const uint8_t* from, uint32_t size);

  // Ends the writing. After Seal, no function may change the transaction, and pgnos() has the page
  // numbers of the commit in ascending order. If the database has become larger, SQLite may not
  // have written some of the added pages, because their content does not matter. Seal fills each
  // page that SQLite has not written with zeros, which an ordinary file would also contain.
  int Seal();
  const std::vector<uint32_t>& pgnos() const override { return pgnos_; }
  bool ReadPage(uint32_t pgno, uint8_t* to) const override { return Read(pgno, 0, to, page_size_) == SQLITE_OK; }

 private:
  uint32_t page_size_;
  const uint32_t base_commit_;
  uint32_t commit_;
  SpillFile bytes_;
  std::unordered_map<uint32_t, uint32_t> slots_;  // page number to page index in bytes_
  std::vector<uint32_t> free_;
  uint32_t used_ = 0;
  std::vector<uint32_t> pgnos_;
};

}  // namespace litestream
