// The hydration file is the local copy of a replica's database. The replica worker and its
// background thread write pages into the file. Any thread may read the file through a memory map.
//
// The worker overwrites a page in the file only if no existing view needs the page's old content,
// so readers take no lock. The file stays locked until it is closed, so that two processes cannot
// fill one hydration file. Open prevents two replicas of this process from filling one file. The
// views of readers keep the file open after a worker has exited, so the replica's next worker uses
// the open file.
#pragma once
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "os/file.h"

namespace litestream {

class HydratedFile {
 public:
  // Opens the file at `path` for the replica with the id `owner`. If the replica already has the
  // file open with the page size `page_size` and `fresh` is false, returns the open file. If
  // `fresh` is true, or if the replica has the file open with another page size, an empty file
  // replaces the file at `path` (see os::OpenLocked). The memory maps of the replaced file stay
  // readable. If the file cannot be opened, returns null and sets *error_number.
  static std::shared_ptr<HydratedFile> Open(uint32_t owner, const std::string& path, const std::string& temporary,
                                            uint32_t page_size, bool fresh, int* error_number);
  ~HydratedFile();
  HydratedFile(const HydratedFile&) = delete;
  HydratedFile& operator=(const HydratedFile&) = delete;

  // Returns the address of page `pgno` in the current memory map. `pgno` must be from 1 to pages().
  const uint8_t* Page(uint32_t pgno) const {
    return map_.load(std::memory_order_acquire) + size_t(pgno - 1) * page_size_;
  }
  uint32_t page_size() const { return page_size_; }
  // Returns the number of pages for which both the file and its memory map have room. Only the
  // worker thread calls pages().
  uint32_t pages() const { return pages_; }

  // Returns whether another program has changed the file. If hurt() returns true, a reader must not
  // use any page of the file, not even the page that the reader has just copied. Any thread may
  // call hurt().
  bool hurt() const { return hurt_.load(std::memory_order_acquire); }
  // Compares the file's size and modification time with the values that they had after this
  // process's last write. If another program has changed the file, sets the result of hurt() to
  // true and returns false. Only the worker thread, and BeginWriting, call Check.
  bool Check();

  // Extends the file and its memory map to at least `pages` pages. Returns 0 or an error number.
  // Only one thread at a time may call Resize.
  int Resize(uint32_t pages);
  // Between BeginWriting and EndWriting, this process writes to the file, so Check detects only a
  // truncation. Any thread may call BeginWriting and EndWriting, but only one thread may be between
  // these two calls at a time.
  void BeginWriting();
  void EndWriting();
  // Writes the `count` pages at `pages` into the file, beginning with page `pgno`. Returns 0 or an
  // error number. Several threads may call Write at the same time if the pages that they write are
  // disjoint.
  int Write(uint32_t pgno, const uint8_t* pages, uint32_t count) const;
  int Sync() const;

 private:
  HydratedFile(os::File file, uint32_t page_size) : file_(file), page_size_(page_size) {}
  const os::File file_;
  const uint32_t page_size_;
  std::atomic<const uint8_t*> map_{nullptr};
  size_t map_size_ = 0;
  uint32_t pages_ = 0;
  std::atomic<bool> hurt_{false};
  std::mutex state_mutex_;  // guards the members below
  os::FileState state_;     // size and time of the file after this process's last change
  bool writing_ = false;
  // All memory maps of the file, including replaced maps. Only the destructor unmaps a map, because
  // a reader may still copy from a replaced map.
  std::vector<os::Map> maps_;
};

}  // namespace litestream
