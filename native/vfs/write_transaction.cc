#include "vfs/write_transaction.h"

#include <algorithm>

#include "ltx/limits.h"

namespace litestream {

int WriteTransaction::Write(const void* page, uint32_t size, uint64_t offset) {
  if (page_size_ == 0) {
    if (!IsPageSize(size)) return SQLITE_MISMATCH;
    page_size_ = size;
  }
  if (size != page_size_ || offset % page_size_ != 0) return SQLITE_MISMATCH;
  const uint64_t index = offset / page_size_;
  if (index >= kMaxCommit) return SQLITE_FULL;
  const uint32_t pgno = uint32_t(index) + 1;
  auto found = slots_.find(pgno);
  uint32_t slot;
  if (found != slots_.end()) slot = found->second;
  else if (!free_.empty()) slot = free_.back();
  else slot = used_;
  int rc = bytes_.Write(page, size, uint64_t(slot) * page_size_);
  if (rc != SQLITE_OK) return rc;
  if (found == slots_.end()) {
    if (!free_.empty()) free_.pop_back();
    else used_++;
    slots_[pgno] = slot;
  }
  commit_ = std::max(commit_, pgno);
  return SQLITE_OK;
}

int WriteTransaction::Truncate(uint64_t size) {
  if (page_size_ == 0) return size == 0 ? SQLITE_OK : SQLITE_MISMATCH;
  if (size % page_size_ != 0) return SQLITE_MISMATCH;
  if (size / page_size_ > kMaxCommit) return SQLITE_FULL;
  commit_ = uint32_t(size / page_size_);
  for (auto it = slots_.begin(); it != slots_.end();) {
    if (it->first > commit_) {
      free_.push_back(it->second);
      it = slots_.erase(it);
    } else {
      ++it;
    }
  }
  return SQLITE_OK;
}

int WriteTransaction::Read(uint32_t pgno, uint32_t offset, uint8_t* to, uint32_t size) const {
  return bytes_.Read(to, size, uint64_t(slots_.at(pgno)) * page_size_ + offset);
}

int WriteTransaction::Patch(uint32_t pgno, uint32_t offset, const uint8_t* from, uint32_t size) {
  return bytes_.Write(from, size, uint64_t(slots_.at(pgno)) * page_size_ + offset);
}

int WriteTransaction::Seal() {
  const uint32_t lock_pgno = page_size_ == 0 ? 0 : LockPgno(page_size_);
  std::vector<uint8_t> zeros;
  for (uint64_t pgno = uint64_t(base_commit_) + 1; pgno <= commit_; pgno++) {
    if (pgno == lock_pgno || Has(uint32_t(pgno))) continue;
    zeros.resize(page_size_);
    int rc = Write(zeros.data(), page_size_, (pgno - 1) * page_size_);
    if (rc != SQLITE_OK) return rc;
  }
  pgnos_.reserve(slots_.size());
  for (auto& entry : slots_) pgnos_.push_back(entry.first);
  std::sort(pgnos_.begin(), pgnos_.end());
  return SQLITE_OK;
}

}  // namespace litestream
