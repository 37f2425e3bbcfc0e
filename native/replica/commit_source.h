// The pages of one commit, in the form that the worker thread reads.
#pragma once
#include <cstdint>
#include <vector>

namespace litestream {

// A CommitSource is immutable while the worker thread reads from it.
class CommitSource {
 public:
  virtual ~CommitSource() = default;
  // Page size in bytes.
  virtual uint32_t page_size() const = 0;
  // The database size in pages after the commit.
  virtual uint32_t commit() const = 0;
  // The numbers of the pages that the commit wrote, in ascending order.
  virtual const std::vector<uint32_t>& pgnos() const = 0;
  // Copies page `pgno`, which must be one of pgnos(), to the page_size() bytes at `to`. If the
  // connection's temporary file cannot be read, returns false.
  virtual bool ReadPage(uint32_t pgno, uint8_t* to) const = 0;
};

}  // namespace litestream
