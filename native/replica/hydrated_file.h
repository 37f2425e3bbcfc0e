// The hydration file is the local copy of a replica's database. The worker writes the file page by
// page, and every thread reads the file through a memory map.
//
// The worker overwrites a page only when no existing view needs the old content of the page, so
// readers take no lock. A file lock as long as the file is open prevents two processes, or two
// replicas of a process, from filling the same file. After a worker exit, the next worker of the
// same replica uses the open file, because the views of readers keep the file open.
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
  // Opens the file at `path` for the replica with the id `owner`. If that replica already has the
  // file open, returns the open file. If `fresh` is true, a new file, created with the name
  // `temporary`, replaces an existing file at `path`. Memory maps of the replaced file stay
  // readable.
  static std::shared_ptr<HydratedFile> Open(uint32_t owner, const std::string& path, const std::string& temporary,
                                            uint32_t page_size, bool fresh, int* error_number);
  ~HydratedFile();
  HydratedFile(const HydratedFile&) = delete;
  HydratedFile& operator=(const HydratedFile&) = delete;

  // `pgno` must be from 1 to pages().
  const uint8_t* Page(uint32_t pgno) const {
    return map_.load(std::memory_order_acquire) + size_t(pgno - 1) * page_size_;
  }
  uint32_t page_size() const { return page_size_; }
  // Returns the number of pages that fit into the file and its map. Only the worker thread calls
  // pages().
  uint32_t pages() const { return pages_; }

  // Returns whether another program has changed the file. If hurt() returns true, a reader must not
  // use any page of the file, not even the page that it has just read. Any thread may call hurt().
  bool hurt() const { return hurt_.load(std::memory_order_acquire); }
  // Compares size and modification time of the file with the values after the last own write. If
  // another program has changed the file, sets hurt() to true and returns false. Only the worker
  // thread calls Check.
  bool Check();

  // Extends the file to `pages` pages. Returns 0 or an errno. Only one thread at a time may call
  // Resize.
  int Resize(uint32_t pages);
  // Check ignores changes of the file between BeginWriting and EndWriting, because the replica
  // itself makes these changes. Any thread may call BeginWriting and EndWriting, but only one
  // thread at a time.
  void BeginWriting();
  void EndWriting();
  // Writes `count` pages from page `pgno` on. Several threads may write disjoint ranges at the same
  // time.
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
  os::FileState state_;     // state of the file after our last change
  bool writing_ = false;
  // The destructor unmaps replaced maps, because a reader may be copying from a replaced map until
  // then.
  std::vector<os::Map> maps_;
};

}  // namespace litestream
