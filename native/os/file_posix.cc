#ifndef _WIN32
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#ifdef __linux__
#include <sys/vfs.h>
#endif
#include <unistd.h>

#include <algorithm>

#include "os/file.h"

#ifndef MAP_NORESERVE
#define MAP_NORESERVE 0
#endif

namespace litestream {
namespace os {

File FileOfDescriptor(int descriptor) { return descriptor; }

int WriteFully(File file, const uint8_t* bytes, size_t size, uint64_t position) {
  while (size > 0) {
    const ssize_t n = pwrite(file, bytes, size, off_t(position));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno;
    bytes += n;
    position += uint64_t(n);
    size -= size_t(n);
  }
  return 0;
}

int ReadFully(File file, uint8_t* out, size_t size, uint64_t position, size_t* got) {
  for (*got = 0; *got < size;) {
    const ssize_t n = pread(file, out + *got, size - *got, off_t(position + *got));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno;
    if (n == 0) break;
    *got += size_t(n);
  }
  return 0;
}

int TryLock(File file) {
  while (flock(file, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EINTR) return errno;
  }
  return 0;
}

namespace {

// Creates an empty file at the path `temporary`, locks the empty file, and renames it to `path`.
// `old` is the open file at `path`. The empty file gets the owner and mode of `old`.
int Replace(const std::string& path, const std::string& temporary, File old, File* out) {
  struct stat like;
  if (fstat(old, &like) != 0) return errno;
  const int fd = open(temporary.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (fd < 0) return errno;
  // fchown fails if `old` belongs to another user and this process does not run as root. If fchown
  // fails, the empty file keeps the mode 0600, so that no other user can read or write the file.
  if (fchown(fd, like.st_uid, like.st_gid) == 0) fchmod(fd, like.st_mode & 0777);
  int error = TryLock(fd);
  if (error == 0 && rename(temporary.c_str(), path.c_str()) != 0) error = errno;
  if (error != 0) {
    unlink(temporary.c_str());
    close(fd);
    return error;
  }
  *out = fd;
  return 0;
}

}  // namespace

int OpenLocked(const std::string& path, const std::string& temporary, bool fresh, bool owned, File* out) {
  // OpenLocked first locks the existing file, and may replace this file only while it holds the
  // lock. After flock(), OpenLocked looks up `path` again, because another process may have
  // replaced the file between open() and flock().
  for (int attempt = 0; attempt < 8; attempt++) {
    // With O_NONBLOCK, open() does not wait if the file is a FIFO, so that the check with S_ISREG
    // can refuse the FIFO.
    int fd = open(path.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
    if (fd < 0) return errno;
    struct stat opened, named;
    int error = fstat(fd, &opened) != 0 ? errno : S_ISREG(opened.st_mode) ? 0 : EINVAL;
    if (error == 0 && !owned) error = TryLock(fd);
    if (error == 0 && fresh) {
      const int old = fd;
      error = Replace(path, temporary, old, &fd);
      if (error == 0) close(old);
    }
    if (error != 0) {
      close(fd);
      return error;
    }
    if (fstat(fd, &opened) == 0 && lstat(path.c_str(), &named) == 0 && opened.st_ino == named.st_ino &&
        opened.st_dev == named.st_dev) {
      *out = fd;
      return 0;
    }
    close(fd);
  }
  return EBUSY;
}

void Close(File file) { close(file); }

namespace {

// Returns whether the file is on a local file system. On a network file system, the modification
// time of a file can change some time after the write.
bool IsLocal(File file) {
#ifdef __linux__
  struct statfs system;
  if (fstatfs(file, &system) != 0) return false;
  constexpr unsigned kNfs = 0x6969, kSmb = 0x517b, kSmb2 = 0xfe534d42, kCifs = 0xff534d42, kFuse = 0x65735546,
                     kCeph = 0x00c36400, kAfs = 0x5346414f, k9p = 0x01021997;
  const unsigned type = unsigned(system.f_type);
  return type != kNfs && type != kSmb && type != kSmb2 && type != kCifs && type != kFuse && type != kCeph &&
         type != kAfs && type != k9p;
#else
  (void)file;
  return false;
#endif
}

}  // namespace

int StateOf(File file, FileState* out) {
  struct stat stats;
  if (fstat(file, &stats) != 0) return errno;
#ifdef __APPLE__
  const timespec modified = stats.st_mtimespec;
#else
  const timespec modified = stats.st_mtim;
#endif
  *out = {uint64_t(stats.st_size), int64_t(modified.tv_sec) * 1000000000 + modified.tv_nsec, IsLocal(file)};
  return 0;
}

FileStamp StampOf(const char* path) {
  struct stat stats;
  if (stat(path, &stats) != 0) return {};
#ifdef __APPLE__
  const timespec modified = stats.st_mtimespec, changed = stats.st_ctimespec;
#else
  const timespec modified = stats.st_mtim, changed = stats.st_ctim;
#endif
  const auto nanoseconds = [](const timespec& time) { return int64_t(time.tv_sec) * 1000000000 + time.tv_nsec; };
  return {uint64_t(stats.st_dev), uint64_t(stats.st_ino), uint64_t(stats.st_size), nanoseconds(modified),
          nanoseconds(changed)};
}

bool ReadListed(const std::string& path, const ListedFile& listed, uint8_t* out, size_t size, uint64_t position) {
  // Without O_NONBLOCK, open() of a named pipe would wait for another process.
  const File file = open(path.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  if (file < 0) return false;
  struct stat stats;
  bool same = fstat(file, &stats) == 0 && S_ISREG(stats.st_mode) && uint64_t(stats.st_size) == listed.size;
  if (same) {
#ifdef __APPLE__
    const timespec modified = stats.st_mtimespec;
#else
    const timespec modified = stats.st_mtim;
#endif
    same = double(modified.tv_sec) * 1e3 + double(modified.tv_nsec) / 1e6 == listed.modified_ms;
  }
  size_t got = 0;
  same = same && ReadFully(file, out, size, position, &got) == 0 && got == size;
  close(file);
  return same;
}

int Extend(File file, uint64_t size) {
  const off_t now = lseek(file, 0, SEEK_END);
  if (now < 0) return errno;
  return uint64_t(now) < size && ftruncate(file, off_t(size)) != 0 ? errno : 0;
}

int Sync(File file) {
#ifdef F_FULLFSYNC
  // On macOS, F_FULLFSYNC also flushes the drive's cache, but fsync() does not flush the drive's
  // cache. Some network file systems support fsync() but not F_FULLFSYNC.
  if (fcntl(file, F_FULLFSYNC) == 0) return 0;
#endif
  return fsync(file) == 0 ? 0 : errno;
}

#ifdef __linux__
namespace {

// If the kernel cannot write data to the disk after write() has returned, the kernel reports this
// error only once per descriptor. SyncRange must return the error, because a later fsync() would
// not report it.
int SyncRange(File file, uint64_t position, uint64_t size, unsigned flags) {
  if (sync_file_range(file, off_t(position), off_t(size), flags) == 0) return 0;
  // If the kernel or a sandbox does not support sync_file_range(), SyncRange does nothing, and the
  // caller's later fsync() writes the range.
  return errno == ENOSYS || errno == EINVAL || errno == EPERM || errno == EOPNOTSUPP ? 0 : errno;
}

}  // namespace

int StartFlush(File file, uint64_t position, uint64_t size) {
  return SyncRange(file, position, size, SYNC_FILE_RANGE_WRITE);
}

int DropFlushed(File file, uint64_t position, uint64_t size) {
  const int error = SyncRange(file, position, size,
                              SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER);
  // POSIX_FADV_DONTNEED is only advice to the kernel, so an error of posix_fadvise() is ignored.
  if (error == 0) posix_fadvise(file, off_t(position), off_t(size), POSIX_FADV_DONTNEED);
  return error;
}
#else
int StartFlush(File, uint64_t, uint64_t) { return 0; }
int DropFlushed(File, uint64_t, uint64_t) { return 0; }
#endif

int MapFile(File file, size_t size, Map* out) {
  const size_t want = std::max(size * 2, size + (size_t(1) << 30));
  void* data = mmap(nullptr, want, PROT_READ, MAP_SHARED | MAP_NORESERVE, file, 0);
  if (data == MAP_FAILED) return errno;
  *out = {static_cast<const uint8_t*>(data), want};
  return 0;
}

void Unmap(const Map& map) { munmap(const_cast<uint8_t*>(map.data), map.size); }

}  // namespace os
}  // namespace litestream
#endif
