// The hydration file is the local copy of a replica's database. The worker writes the file page by
// page. Every thread reads the file through a memory map.
//
// The worker overwrites a page only if no existing view needs the page's old content, so readers
// take no lock. The file stays locked until the file is closed. The lock prevents two processes, or
// two replicas of one process, from filling the same file. The views of readers keep the file open
// after a worker has exited, so the next worker of the same replica uses the open file.
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
  // file open, returns the open file. If `fresh` is true, a new file replaces an existing file at
  // `path`. The new file is created with the name `temporary`. The replaced file's memory maps stay
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
  // Returns how many pages fit into both the file and its map. Only the worker thread calls
  // pages().
  uint32_t pages() const { return pages_; }

  // Returns whether another program has changed the file. If hurt() returns true, a reader must not
  // use any page of the file. This rule also applies to the page that the reader has just read. Any
  // thread may call hurt().
  bool hurt() const { return hurt_.load(std::memory_order_acquire); }
  // Compares the file's size and modification time with their values after this process's last
  // write. If another program has changed the file, sets hurt() to true and returns false. Only the
  // worker thread calls Check.
  bool Check();

  // Extends the file to `pages` pages. Returns 0 or an errno. Only one thread at a time may call
  // Resize.
  int Resize(uint32_t pages);
  // Between BeginWriting and EndWriting, Check ignores changes of the file, because this process
  // makes these changes. Any thread may call BeginWriting and EndWriting, but only one thread may
  // write at a time.
  void BeginWriting();
  void EndWriting();
  // Writes `count` pages, beginning with page `pgno`. Several threads may write at the same time if
  // their ranges are disjoint.
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
  // The destructor unmaps replaced maps. Before the destructor runs, a reader may still copy from a
  // replaced map.
  std::vector<os::Map> maps_;
};

}  // namespace litestream
