// The pages of one commit on their way to the worker thread.
#pragma once
#include <cstdint>
#include <vector>

namespace litestream {

// Nothing in it changes any more. Read by the worker thread.
class CommitSource {
 public:
  virtual ~CommitSource() = default;
  // Bytes.
  virtual uint32_t page_size() const = 0;
  // Size of the database in pages after the commit.
  virtual uint32_t commit() const = 0;
  // The pages that it writes, ascending.
  virtual const std::vector<uint32_t>& pgnos() const = 0;
  // Copies one of them, page_size() bytes. False if it cannot be read (a temporary file failed).
  virtual bool ReadPage(uint32_t pgno, uint8_t* to) const = 0;
};

}  // namespace litestream
