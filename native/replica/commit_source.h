// The pages of one commit, handed to the worker thread.
#pragma once
#include <cstdint>
#include <vector>

namespace litestream {

// Immutable. Read by the worker thread.
class CommitSource {
 public:
  virtual ~CommitSource() = default;
  // Page size in bytes.
  virtual uint32_t page_size() const = 0;
  // Size of the database in pages after the commit.
  virtual uint32_t commit() const = 0;
  // The numbers of the written pages, ascending.
  virtual const std::vector<uint32_t>& pgnos() const = 0;
  // Copies a written page, page_size() bytes. Returns false if it cannot be read (a temporary file
  // failed).
  virtual bool ReadPage(uint32_t pgno, uint8_t* to) const = 0;
};

}  // namespace litestream
