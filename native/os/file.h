// File functions that differ between operating systems: positional writes, locking, replacing and
// mapping. file_posix.cc and file_windows.cc implement them. Results are 0 or an error number as in
// node:util's getSystemErrorMap(), without its sign.
#pragma once
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <string>

namespace litestream {
namespace os {

#ifdef _WIN32
using File = void*;  // HANDLE
#else
using File = int;  // file descriptor
#endif

// The error number for a lock that another process holds.
#ifdef _WIN32
constexpr int kLocked = 4088;  // UV_EAGAIN without its sign
#else
constexpr int kLocked = EAGAIN;
#endif

// The file behind a descriptor of Node.js, which still owns it.
File FileOfDescriptor(int descriptor);

// Writes all of `bytes` at `position`. Any thread; disjoint ranges may be written at the same time.
int WriteFully(File file, const uint8_t* bytes, size_t size, uint64_t position);

// Reads up to `size` bytes from `position`; `got` is less than `size` only at the end of the file.
// Any thread.
int ReadFully(File file, uint8_t* out, size_t size, uint64_t position, size_t* got);

// Takes the exclusive lock of an open file; closing the file releases it. kLocked while another
// handle has the lock.
int TryLock(File file);

// Opens or creates the file at `path` and locks it until it is closed; no other process and no
// second call can get that lock. A symbolic link, or anything but a regular file, is an error.
// `fresh`: replaces the file by an empty one with the same owner and mode; maps of the old file
// stay readable. The new file is named `temporary` until the rename, and that name must not exist.
// `owned`: this process already holds the lock of the file that is replaced.
int OpenLocked(const std::string& path, const std::string& temporary, bool fresh, bool owned, File* out);
void Close(File file);

// The file attributes that change when another program writes to a file or truncates it.
struct FileState {
  uint64_t size = 0;
  int64_t modified = 0;       // nanoseconds
  // false if `modified` can change without a write, as on a network file system that sets it late
  bool keeps_time = false;
  bool operator==(const FileState& o) const {
    return size == o.size && (!keeps_time || !o.keeps_time || modified == o.modified);
  }
};
int StateOf(File file, FileState* out);

// When the file at a path was last changed, by its metadata: any write, truncation, rename or
// replacement gives another stamp. All zeros if no file has the path or it cannot be examined.
struct FileStamp {
  uint64_t device = 0;
  uint64_t inode = 0;
  uint64_t size = 0;
  int64_t modified = 0;  // nanoseconds since an epoch of the system
  int64_t changed = 0;   // the same; of the metadata, or the creation where the system has no such time
  bool operator==(const FileStamp& o) const {
    return device == o.device && inode == o.inode && size == o.size && modified == o.modified && changed == o.changed;
  }
};
// Opens nothing, so it affects no lock. Any thread.
FileStamp StampOf(const char* path);

// Extends the file to `size` bytes; never truncates it.
int Extend(File file, uint64_t size);
// Returns after the data is on disk.
int Sync(File file);
// Starts to write a range of the file to the disk. Does nothing on systems other than Linux. Any
// thread.
int StartFlush(File file, uint64_t position, uint64_t size);
// Waits for a range that StartFlush was called for, and lets the system drop it from its cache,
// whose memory the next writes then use again. Does not make the file durable. Linux only, as
// above. Any thread.
int DropFlushed(File file, uint64_t position, uint64_t size);

struct Map {
  const uint8_t* data = nullptr;
  size_t size = 0;
};
// Maps at least the first `size` bytes for reading. If the system allows it, the map extends beyond
// the end of the file, so that a growing file seldom needs another map.
int MapFile(File file, size_t size, Map* out);
void Unmap(const Map& map);

}  // namespace os
}  // namespace litestream
