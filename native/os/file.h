// The file functions whose implementation depends on the operating system. file_posix.cc and
// file_windows.cc implement the functions of file.h. Each function with a result of type int
// returns 0 or an error number. The negative of an error number is a key of node:util's
// getSystemErrorMap().
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

// The error number that TryLock and OpenLocked return if another handle holds the file's lock.
#ifdef _WIN32
constexpr int kLocked = 4088;  // UV_EAGAIN without its sign
#else
constexpr int kLocked = EAGAIN;
#endif

// Returns the operating system's handle for a file descriptor of Node.js. The handle belongs to
// Node.js, so the caller must not close the handle.
File FileOfDescriptor(int descriptor);

// Writes `size` bytes to the file at the offset `position`. Several threads may write to a file at
// the same time if the ranges that they write are disjoint.
int WriteFully(File file, const uint8_t* bytes, size_t size, uint64_t position);

// Reads up to `size` bytes of the file, beginning at the offset `position`, and sets *got to the
// number of bytes read. *got is less than `size` only if the range extends beyond the end of the
// file. Any thread may call ReadFully.
int ReadFully(File file, uint8_t* out, size_t size, uint64_t position, size_t* got);

// Takes the exclusive lock of an open file without waiting. Closing the file releases the lock. If
// another handle holds the lock, returns kLocked.
int TryLock(File file);

// Opens or creates the file at `path` and holds the file's lock until the file is closed. While the
// file is open, every other call of OpenLocked for this file fails, in this process and in every
// other process. On POSIX systems, OpenLocked fails if the file at `path` is a symbolic link or is
// not a regular file. If `fresh` is true, an empty file replaces the file at `path`. On POSIX
// systems, the empty file gets the owner and mode of the replaced file. The memory maps of the
// replaced file stay readable. OpenLocked creates the empty file at the path `temporary` and
// renames this file to `path`. Before the call, no file may exist at the path `temporary`. If
// `owned` is true, this process already holds the lock of the file at `path`.
int OpenLocked(const std::string& path, const std::string& temporary, bool fresh, bool owned, File* out);
void Close(File file);

// The attributes of an open file that change if a program writes to the file or truncates the file.
struct FileState {
  uint64_t size = 0;
  int64_t modified = 0;       // modification time in nanoseconds
  // false if the modification time can change without a write, for example because a network file
  // system updates this time late
  bool keeps_time = false;
  bool operator==(const FileState& o) const {
    return size == o.size && (!keeps_time || !o.keeps_time || modified == o.modified);
  }
};
int StateOf(File file, FileState* out);

// The metadata of the file at a path. If the file was written, truncated, renamed or replaced, the
// stamp has changed. The stamp of a missing file, or of a file whose metadata cannot be read, is
// all zeros.
struct FileStamp {
  uint64_t device = 0;
  uint64_t inode = 0;
  uint64_t size = 0;
  int64_t modified = 0;  // modification time, ns since the system's epoch
  int64_t changed = 0;   // POSIX: time of the last metadata change; Windows: creation time
  bool operator==(const FileStamp& o) const {
    return device == o.device && inode == o.inode && size == o.size && modified == o.modified && changed == o.changed;
  }
};
// Returns the stamp of the file at `path`. StampOf does not open the file, because closing the file
// would release the POSIX locks that this process holds on it. Any thread may call StampOf.
FileStamp StampOf(const char* path);

// A file as a listing of a replica has it. `modified_ms` is computed as Stats.mtimeMs of Node.js.
struct ListedFile {
  uint64_t size = 0;
  double modified_ms = 0;
};
// Fills `out` from the offset `position` of the file at `path`. Returns false if the file is not a
// regular file with the listed size and time, and if it cannot be read. The caller then reads the
// file with Node.js, which reports the cause. On Windows, ReadListed always returns false. Any
// thread may call ReadListed.
bool ReadListed(const std::string& path, const ListedFile& listed, uint8_t* out, size_t size, uint64_t position);

// Extends the file to `size` bytes if the file is shorter. Extend never truncates the file.
int Extend(File file, uint64_t size);
// Writes all changes of the file to the disk and waits until they are on the disk.
int Sync(File file);
// Starts to write the `size` bytes at the offset `position` of the file to the disk. StartFlush
// does not wait for the disk. On systems other than Linux, StartFlush does nothing. Any thread may
// call StartFlush.
int StartFlush(File file, uint64_t position, uint64_t size);
// Waits until the `size` bytes at the offset `position`, which StartFlush has started to write, are
// on the disk. DropFlushed then allows the kernel to drop the flushed range from its page cache, so
// that later writes can use the memory. DropFlushed does not make the file durable. On systems
// other than Linux, DropFlushed does nothing. Any thread may call DropFlushed.
int DropFlushed(File file, uint64_t position, uint64_t size);

struct Map {
  const uint8_t* data = nullptr;
  size_t size = 0;
};
// Maps at least the first `size` bytes of the file for reading. On POSIX systems, the map extends
// beyond the end of the file, so that a growing file seldom needs another map.
int MapFile(File file, size_t size, Map* out);
void Unmap(const Map& map);

}  // namespace os
}  // namespace litestream
