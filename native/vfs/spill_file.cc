#include "vfs/spill_file.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>

namespace litestream {

SpillFile::~SpillFile() {
  if (file_ == nullptr) return;
  if (file_->pMethods != nullptr) file_->pMethods->xClose(file_);
  free(file_);
}

int SpillFile::Spill() {
  sqlite3_vfs* vfs = copy_->original;
  auto* file = static_cast<sqlite3_file*>(calloc(1, size_t(vfs->szOsFile)));
  if (file == nullptr) return SQLITE_NOMEM;
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_EXCLUSIVE | SQLITE_OPEN_DELETEONCLOSE |
                    SQLITE_OPEN_TEMP_JOURNAL;
  int rc = vfs->xOpen(vfs, nullptr, file, flags, nullptr);
  if (rc != SQLITE_OK) {
    free(file);
    return rc;
  }
  for (uint64_t at = 0; rc == SQLITE_OK && at < size_; at += kChunkBytes) {
    const int size = int(std::min(kChunkBytes, size_ - at));
    rc = file->pMethods->xWrite(file, chunks_[at / kChunkBytes].get(), size, sqlite3_int64(at));
  }
  if (rc != SQLITE_OK) {
    file->pMethods->xClose(file);
    free(file);
    return rc;
  }
  file_ = file;
  chunks_.clear();
  chunks_.shrink_to_fit();
  return SQLITE_OK;
}

int SpillFile::Write(const void* from, uint32_t size, uint64_t offset) {
  const uint64_t end = offset + size;
  if (file_ == nullptr && end > kMemoryBytes) {
    int rc = Spill();
    if (rc != SQLITE_OK) return rc;
  }
  if (file_ != nullptr) {
    int rc = file_->pMethods->xWrite(file_, from, int(size), sqlite3_int64(offset));
    if (rc == SQLITE_OK) size_ = std::max(size_, end);
    return rc;
  }
  while (chunks_.size() * kChunkBytes < end) {
    auto* chunk = new (std::nothrow) uint8_t[kChunkBytes]();
    if (chunk == nullptr) return SQLITE_NOMEM;
    chunks_.emplace_back(chunk);
  }
  const uint8_t* p = static_cast<const uint8_t*>(from);
  for (uint64_t at = offset; at < end;) {
    const uint64_t within = at % kChunkBytes, part = std::min(kChunkBytes - within, end - at);
    memcpy(chunks_[at / kChunkBytes].get() + within, p, size_t(part));
    p += part;
    at += part;
  }
  size_ = std::max(size_, end);
  return SQLITE_OK;
}

int SpillFile::Read(void* to, uint32_t size, uint64_t offset) const {
  uint8_t* p = static_cast<uint8_t*>(to);
  const uint64_t end = std::min(size_, offset + size);
  const uint64_t there = end > offset ? end - offset : 0;
  memset(p + there, 0, size_t(size - there));
  if (there > 0 && file_ != nullptr) {
    int rc = file_->pMethods->xRead(file_, p, int(there), sqlite3_int64(offset));
    if (rc != SQLITE_OK) return rc;
  } else {
    for (uint64_t at = offset; at < end;) {
      const uint64_t within = at % kChunkBytes, part = std::min(kChunkBytes - within, end - at);
      memcpy(p, chunks_[at / kChunkBytes].get() + within, size_t(part));
      p += part;
      at += part;
    }
  }
  return there == size ? SQLITE_OK : SQLITE_IOERR_SHORT_READ;
}

int SpillFile::Truncate(uint64_t size) {
  if (size >= size_) return SQLITE_OK;
  if (file_ != nullptr) {
    int rc = file_->pMethods->xTruncate(file_, sqlite3_int64(size));
    if (rc != SQLITE_OK) return rc;
  } else {
    // Clears the bytes after the first `size` bytes, because the added bytes must be zeros if the
    // file grows again.
    const uint64_t chunks = (size + kChunkBytes - 1) / kChunkBytes;
    chunks_.resize(size_t(chunks));
    if (size % kChunkBytes != 0) memset(chunks_.back().get() + size % kChunkBytes, 0, size_t(kChunkBytes - size % kChunkBytes));
  }
  size_ = size;
  return SQLITE_OK;
}

}  // namespace litestream
