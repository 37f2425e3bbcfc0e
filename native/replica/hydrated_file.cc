#include "replica/hydrated_file.h"

#include "os/map_guard.h"

#include <algorithm>
#include <map>
#include <mutex>

namespace litestream {

namespace {

struct OpenFile {
  uint32_t owner;
  std::weak_ptr<HydratedFile> file;
};
std::mutex g_open_mutex;  // guards OpenFiles(), and allows one Open at a time
std::map<std::string, OpenFile>& OpenFiles() {
  static auto* files = new std::map<std::string, OpenFile>();
  return *files;
}

}  // namespace

std::shared_ptr<HydratedFile> HydratedFile::Open(uint32_t owner, const std::string& path, const std::string& temporary,
                                                 uint32_t page_size, bool fresh, int* error_number) {
  std::lock_guard<std::mutex> guard(g_open_mutex);
  auto& files = OpenFiles();
  auto found = files.find(path);
  std::shared_ptr<HydratedFile> own = found == files.end() ? nullptr : found->second.file.lock();
  if (own && found->second.owner != owner) {
    *error_number = os::kLocked;
    return nullptr;
  }
  if (own && !fresh && own->page_size_ == page_size) return own;
  os::File file;
  *error_number = os::OpenLocked(path, temporary, fresh || own != nullptr, own != nullptr, &file);
  if (*error_number != 0) return nullptr;
  std::shared_ptr<HydratedFile> opened(new HydratedFile(file, page_size));
  files[path] = OpenFile{owner, opened};
  return opened;
}

HydratedFile::~HydratedFile() {
  for (const os::Map& map : maps_) {
    os::ReleaseMap(map);
    os::Unmap(map);
  }
  os::Close(file_);
}

int HydratedFile::Resize(uint32_t pages) {
  // `bytes` is at most 2^48, so neither `bytes` nor 2 * `bytes` wraps.
  const uint64_t bytes = uint64_t(pages) * page_size_;
  Check();
  // The lock covers the whole change of the file, so that a Check on another thread does not
  // attribute the change to another program.
  std::lock_guard<std::mutex> lock(state_mutex_);
  // Resize never truncates the file, because an older view may still read pages beyond a smaller
  // database size.
  int error = os::Extend(file_, bytes);
  if (error != 0) return error;
  if (bytes > map_size_) {
    os::Map map;
    error = os::MapFile(file_, size_t(bytes), &map);
    if (error != 0) return error;
    os::GuardMap(map, &hurt_);
    maps_.push_back(map);
    map_size_ = map.size;
    map_.store(map.data, std::memory_order_release);
  }
  pages_ = std::max(pages_, pages);
  return os::StateOf(file_, &state_);
}

bool HydratedFile::Check() {
  std::lock_guard<std::mutex> lock(state_mutex_);
  os::FileState now;
  if (pages_ > 0 && os::StateOf(file_, &now) == 0) {
    const bool changed = writing_ ? now.size < state_.size : !(now == state_);
    if (changed) hurt_.store(true, std::memory_order_release);
  }
  return !hurt();
}

void HydratedFile::BeginWriting() {
  Check();
  std::lock_guard<std::mutex> lock(state_mutex_);
  writing_ = true;
}

void HydratedFile::EndWriting() {
  std::lock_guard<std::mutex> lock(state_mutex_);
  writing_ = false;
  const uint64_t size = state_.size;
  if (os::StateOf(file_, &state_) != 0 || state_.size < size) hurt_.store(true, std::memory_order_release);
}

int HydratedFile::Write(uint32_t pgno, const uint8_t* pages, uint32_t count) const {
  return os::WriteFully(file_, pages, size_t(count) * page_size_, uint64_t(pgno - 1) * page_size_);
}

int HydratedFile::Sync() const { return os::Sync(file_); }

}  // namespace litestream
