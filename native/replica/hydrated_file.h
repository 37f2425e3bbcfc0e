// The local copy of a replica's database: written page by page by the worker, read through a memory map by every thread.
//
// A page is only ever overwritten when no live view still has its old content (the worker sees to that), so readers need no
// lock. The file is locked for as long as it is open: two processes, or two replicas, never fill in one file. A replica
// whose worker is gone takes the open file over, because views of readers keep it open.
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
  // Of replica `owner`, which gets the file again if it has it open. `fresh`: an existing file is replaced by a new one (a new
  // inode: maps of the old one stay readable), which is created as `temporary`.
  static std::shared_ptr<HydratedFile> Open(uint32_t owner, const std::string& path, const std::string& temporary,
                                            uint32_t page_size, bool fresh, int* error_number);
  ~HydratedFile();
  HydratedFile(const HydratedFile&) = delete;
  HydratedFile& operator=(const HydratedFile&) = delete;

  // For a page from 1 to pages().
  const uint8_t* Page(uint32_t pgno) const {
    return map_.load(std::memory_order_acquire) + size_t(pgno - 1) * page_size_;
  }
  uint32_t page_size() const { return page_size_; }
  // Pages that the file and its map have room for. Worker thread.
  uint32_t pages() const { return pages_; }

  // Whether another program has changed the file: nothing that was read from it is to be trusted, also what was read just now. Any
  // thread.
  bool hurt() const { return hurt_.load(std::memory_order_acquire); }
  // Looks for changes that no read has come upon: false, and hurt() from now on, if there are any. Worker thread.
  bool Check();

  // One caller at a time; each returns 0 or an errno.
  int Resize(uint32_t pages);
  // Changes between these two are our own. Any thread, one at a time.
  void BeginWriting();
  void EndWriting();
  int Write(uint32_t pgno, const uint8_t* pages, uint32_t count) const;  // any thread, disjoint ranges
  int Sync() const;

 private:
  HydratedFile(os::File file, uint32_t page_size) : file_(file), page_size_(page_size) {}
  const os::File file_;
  const uint32_t page_size_;
  std::atomic<const uint8_t*> map_{nullptr};
  size_t map_size_ = 0;
  uint32_t pages_ = 0;
  std::atomic<bool> hurt_{false};
  std::mutex state_mutex_;  // guards what follows
  os::FileState state_;     // after our last change
  bool writing_ = false;
  // Outgrown maps stay until the end: a reader may be copying from one.
  std::vector<os::Map> maps_;
};

}  // namespace litestream
