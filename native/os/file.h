// The file functions whose implementation depends on the operating system. file_posix.cc and
// file_windows.cc implement the functions of file.h. A result of type int is 0 or an error number.
// The error number is the absolute value of a key of node:util's getSystemErrorMap().
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

// While another handle holds the lock, TryLock and OpenLocked return this error number.
#ifdef _WIN32
constexpr int kLocked = 4088;  // UV_EAGAIN without its sign
#else
constexpr int kLocked = EAGAIN;
#endif

// Returns the operating system's handle for a file descriptor of Node.js. Node.js still owns the
// handle and closes it.
File FileOfDescriptor(int descriptor);

// Writes all `size` bytes at offset `position`. Several threads may write to a file at the same
// time if their ranges are disjoint.
int WriteFully(File file, const uint8_t* bytes, size_t size, uint64_t position);

// Reads up to `size` bytes from offset `position`. `got` is less than `size` only if the range
// extends beyond the end of the file. Any thread may call ReadFully.
int ReadFully(File file, uint8_t* out, size_t size, uint64_t position, size_t* got);

// Takes the exclusive lock of an open file. Closing the file releases the lock. If another handle
// holds the lock, returns kLocked.
int TryLock(File file);

// Opens or creates the file at `path` and holds the file's lock until the file is closed. While the
// file is open, every other call of OpenLocked for this file fails, both in this process and in any
// other. If `path` is a symbolic link or is not a regular file, OpenLocked fails. If `fresh` is
// true, an empty file replaces the file at `path`. The empty file has the owner and mode of the
// replaced file. The replaced file's memory maps stay readable. Until the rename, the new file has
// the name `temporary`. Before the call, no file may have the name `temporary`. If `owned` is true,
// this process already holds the lock of the replaced file.
int OpenLocked(const std::string& path, const std::string& temporary, bool fresh, bool owned, File* out);
void Close(File file);

// The attributes of a file that change if another program writes to the file or truncates the file.
struct FileState {
  uint64_t size = 0;
  int64_t modified = 0;       // nanoseconds
  // false if `modified` can change without a write, for example on a network file system that
  // updates `modified` late
  bool keeps_time = false;
  bool operator==(const FileState& o) const {
    return size == o.size && (!keeps_time || !o.keeps_time || modified == o.modified);
  }
};
int StateOf(File file, FileState* out);

// The metadata by which StampOf detects a change of the file at a path. A write, truncation, rename
// or replacement changes the stamp. The stamp of a missing file, or of a file whose metadata cannot
// be read, is all zeros.
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
// Returns the stamp of the file at `path`. StampOf does not open the file, so a call of StampOf
// cannot cause the loss of a POSIX lock. Any thread may call StampOf.
FileStamp StampOf(const char* path);

// Extends the file to `size` bytes. Extend never truncates the file.
int Extend(File file, uint64_t size);
// Writes all changes of the file to the disk. Returns after all changes are on the disk.
int Sync(File file);
// Starts to write a range of the file to the disk, and does not wait for the disk. StartFlush does
// nothing on systems other than Linux. Any thread may call StartFlush.
int StartFlush(File file, uint64_t position, uint64_t size);
// Waits until the range of an earlier StartFlush is on the disk. After DropFlushed, the kernel may
// drop this range from its page cache. Later writes can then use the memory of the dropped range.
// DropFlushed does not make the file durable. On systems other than Linux, DropFlushed does
// nothing. Any thread may call DropFlushed.
int DropFlushed(File file, uint64_t position, uint64_t size);

struct Map {
  const uint8_t* data = nullptr;
  size_t size = 0;
};
// Maps at least the first `size` bytes of the file for reading. On POSIX systems the map extends
// beyond the end of the file, so that the file can grow and seldom needs another map.
int MapFile(File file, size_t size, Map* out);
void Unmap(const Map& map);

}  // namespace os
}  // namespace litestream
