#include "replica/hydrated_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <mutex>

#include "replica/write_fully.h"

namespace litestream {

namespace {

struct OpenFile {
  uint32_t owner;
  std::weak_ptr<HydratedFile> file;
};
std::mutex g_open_mutex;  // guards the map, and opens one file at a time
std::map<std::string, OpenFile>& OpenFiles() {
  static auto* files = new std::map<std::string, OpenFile>();
  return *files;
}

}  // namespace

std::shared_ptr<HydratedFile> HydratedFile::Open(uint32_t owner, const std::string& path, uint32_t page_size, bool fresh,
                                                 int* error_number) {
  std::lock_guard<std::mutex> guard(g_open_mutex);
  auto& files = OpenFiles();
  auto found = files.find(path);
  std::shared_ptr<HydratedFile> own = found == files.end() ? nullptr : found->second.file.lock();
  if (own && found->second.owner != owner) {
    *error_number = EAGAIN;
    return nullptr;
  }
  if (own && !fresh && own->page_size_ == page_size) return own;
  auto opened = OpenLocked(path, page_size, fresh || own != nullptr, own != nullptr, error_number);
  if (opened) files[path] = OpenFile{owner, opened};
  return opened;
}

// `owned`: this process has the lock of the file that is there, which is to be replaced.
std::shared_ptr<HydratedFile> HydratedFile::OpenLocked(const std::string& path, uint32_t page_size, bool fresh, bool owned,
                                                       int* error_number) {
  // The lock is taken on the file that is there, before it may be replaced; and the name is looked at again afterwards, because
  // another process may have replaced it between open and flock.
  for (int attempt = 0; attempt < 8; attempt++) {
    int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
      *error_number = errno;
      return nullptr;
    }
    if (!owned && flock(fd, LOCK_EX | LOCK_NB) != 0) {
      *error_number = errno;
      close(fd);
      return nullptr;
    }
    int replaced = -1;
    if (fresh) {
      std::string temporary = path + ".tmp";
      unlink(temporary.c_str());
      replaced = open(temporary.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
      if (replaced < 0 || flock(replaced, LOCK_EX | LOCK_NB) != 0 || rename(temporary.c_str(), path.c_str()) != 0) {
        *error_number = errno;
        if (replaced >= 0) close(replaced);
        close(fd);
        return nullptr;
      }
      close(fd);
      fd = replaced;
    }
    struct stat opened, named;
    bool same = fstat(fd, &opened) == 0 && stat(path.c_str(), &named) == 0 && opened.st_ino == named.st_ino &&
                opened.st_dev == named.st_dev;
    if (same) return std::shared_ptr<HydratedFile>(new HydratedFile(fd, page_size));
    close(fd);
  }
  *error_number = EBUSY;
  return nullptr;
}

HydratedFile::~HydratedFile() {
  for (auto& map : maps_) munmap(map.first, map.second);
  close(fd_);
}

int HydratedFile::Resize(uint32_t pages) {
  // Less than 2^48: neither this nor twice as much wraps.
  const uint64_t bytes = uint64_t(pages) * page_size_;
  // Never shorter: a live view may still read the pages beyond a smaller commit.
  off_t size = lseek(fd_, 0, SEEK_END);
  if (size < 0) return errno;
  if (uint64_t(size) < bytes && ftruncate(fd_, off_t(bytes)) != 0) return errno;
  if (bytes > map_size_) {
    // Address space is mapped ahead of the file, so that a growing database seldom needs another map.
    const size_t want = std::max(bytes * 2, bytes + (uint64_t(1) << 30));
    void* map = mmap(nullptr, want, PROT_READ, MAP_SHARED | MAP_NORESERVE, fd_, 0);
    if (map == MAP_FAILED) return errno;
    maps_.emplace_back(map, want);
    map_size_ = want;
    map_.store(static_cast<const uint8_t*>(map), std::memory_order_release);
  }
  pages_ = std::max(pages_, pages);
  return 0;
}

int HydratedFile::Write(uint32_t pgno, const uint8_t* pages, uint32_t count) const {
  return WriteFully(fd_, pages, size_t(count) * page_size_, off_t(pgno - 1) * page_size_);
}

int HydratedFile::Sync() const { return fsync(fd_) == 0 ? 0 : errno; }

}  // namespace litestream
