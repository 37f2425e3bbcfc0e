// Files, as far as operating systems differ: writing at a position, locking, replacing and mapping. One implementation per
// system: file_posix.cc and file_windows.cc. A returned number is 0 or an error number as node:util's getSystemErrorMap() knows
// it, without its sign.
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
using File = int;  // descriptor
#endif

// The error number of a lock that another process holds.
#ifdef _WIN32
constexpr int kLocked = 4088;  // UV_EAGAIN without its sign
#else
constexpr int kLocked = EAGAIN;
#endif

// The file behind a descriptor of Node.js, which still owns it.
File FileOfDescriptor(int descriptor);

// Writes all of `bytes` at `position`. Any thread; disjoint ranges may be written at the same time.
int WriteFully(File file, const uint8_t* bytes, size_t size, uint64_t position);

// Reads up to `size` bytes from `position` on; `got` is less only at the end of the file. Any thread.
int ReadFully(File file, uint8_t* out, size_t size, uint64_t position, size_t* got);

// Takes the exclusive lock of an open file, which ends when the file is closed. kLocked while another handle has it.
int TryLock(File file);

// Opens or creates the file at `path` and locks it until it is closed; no second process, nor a second call, gets that lock. A
// symbolic link and anything but a regular file is an error. `fresh`: the file is replaced by an empty one with its owner and mode,
// while maps of the old one stay readable; `temporary` names the new one until then, and must not exist. `owned`: this process
// holds the lock of the file that is replaced.
int OpenLocked(const std::string& path, const std::string& temporary, bool fresh, bool owned, File* out);
void Close(File file);

// What changes when another program writes to a file, or makes it shorter.
struct FileState {
  uint64_t size = 0;
  int64_t modified = 0;       // nanoseconds
  bool keeps_time = false;    // whether only writing changes `modified`: a network file system may set it later
  bool operator==(const FileState& o) const {
    return size == o.size && (!keeps_time || !o.keeps_time || modified == o.modified);
  }
};
int StateOf(File file, FileState* out);

// Extends the file to `size` bytes; never makes it shorter.
int Extend(File file, uint64_t size);
// Returns after the data is on disk.
int Sync(File file);

struct Map {
  const uint8_t* data = nullptr;
  size_t size = 0;
};
// Maps at least the first `size` bytes for reading. Where the system allows it, the map reaches beyond the end of the file, so
// that a growing file seldom needs another map.
int MapFile(File file, size_t size, Map* out);
void Unmap(const Map& map);

}  // namespace os
}  // namespace litestream
