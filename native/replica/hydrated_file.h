// The local copy of a replica's database: the worker writes it page by page, and every thread reads
// it through a memory map.
//
// The worker overwrites a page only when no live view has its old content, so readers need no lock.
// The file is locked as long as it is open: two processes, or two replicas, never fill the same
// file. A replica whose worker has exited takes over the open file, because views of readers keep
// it open.
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
  // Opens the file for replica `owner`, or returns it if that replica has it open. `fresh`:
  // replaces an existing file by a new one (a new inode: maps of the old one stay readable), which
  // is created as `temporary`.
  static std::shared_ptr<HydratedFile> Open(uint32_t owner, const std::string& path, const std::string& temporary,
                                            uint32_t page_size, bool fresh, int* error_number);
  ~HydratedFile();
  HydratedFile(const HydratedFile&) = delete;
  HydratedFile& operator=(const HydratedFile&) = delete;

  // `pgno`: 1 to pages().
  const uint8_t* Page(uint32_t pgno) const {
    return map_.load(std::memory_order_acquire) + size_t(pgno - 1) * page_size_;
  }
  uint32_t page_size() const { return page_size_; }
  // The number of pages that fit into the file and its map. Worker thread.
  uint32_t pages() const { return pages_; }

  // Whether another program has changed the file: pages read from it, including the page just read,
  // must not be used. Any thread.
  bool hurt() const { return hurt_.load(std::memory_order_acquire); }
  // Checks for changes that no read has detected. Returns false, and makes hurt() true, if there
  // are any. Worker thread.
  bool Check();

  // One caller at a time; both return 0 or an errno.
  int Resize(uint32_t pages);
  // Changes between these two calls are our own. Any thread, one at a time.
  void BeginWriting();
  void EndWriting();
  // any thread, disjoint ranges
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
  // Replaced maps stay until the destructor runs: a reader may be copying from one.
  std::vector<os::Map> maps_;
};

}  // namespace litestream
