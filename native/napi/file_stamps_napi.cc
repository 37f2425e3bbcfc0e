// Detects changes of database files that the primary does not have open. Once a second, the primary
// checks up to 10,000 database files with one call of changedFileStamps(). One call per file would
// take three times as long as one call for all files.
#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>

#include "napi/arguments.h"
#include "napi/exports.h"
#include "os/file.h"

namespace litestream {
namespace {

struct Watched {
  std::string file;
  os::FileStamp stamp;
  os::FileStamp wal_stamp;

  // `wal` is a buffer that HasChanged overwrites with the path of the -wal file, so that a caller
  // can reuse the buffer's memory.
  bool HasChanged(std::string& wal) const {
    if (!(os::StampOf(file.c_str()) == stamp)) return true;
    wal.assign(file).append("-wal");
    return !(os::StampOf(wal.c_str()) == wal_stamp);
  }
};

// Each FileStamps object is used by one thread only.
struct FileStamps {
  std::unordered_map<uint32_t, Watched> watched;
  uint32_t last = 0;
};

// createFileStamps() returns a handle of a new FileStamps object.
Napi::Value CreateFileStamps(const Napi::CallbackInfo& info) {
  return Handle<FileStamps>::New(info.Env(), std::make_shared<FileStamps>());
}

// addFileStamps(stamps, file) adds an entry for the database file at the path `file` and its -wal
// file. The entry has the inode, size and times of the database file and of the -wal file. Returns
// the number of the added entry.
Napi::Value AddFileStamps(const Napi::CallbackInfo& info) {
  Arguments args(info, "addFileStamps");
  const auto stamps = args.Open<FileStamps>(args[0], "stamps");
  std::string file = args.Text(args[1], "file");
  if (!args.ok()) return {};
  const os::FileStamp stamp = os::StampOf(file.c_str());
  const os::FileStamp wal_stamp = os::StampOf((file + "-wal").c_str());
  do stamps->last++;
  while (stamps->watched.count(stamps->last) != 0);
  stamps->watched[stamps->last] = {std::move(file), stamp, wal_stamp};
  return Napi::Number::New(info.Env(), stamps->last);
}

// removeFileStamps(stamps, number) removes the entry `number`.
Napi::Value RemoveFileStamps(const Napi::CallbackInfo& info) {
  Arguments args(info, "removeFileStamps");
  const auto stamps = args.Open<FileStamps>(args[0], "stamps");
  const uint32_t number = args.U32(args[1], "number");
  if (!args.ok()) return {};
  stamps->watched.erase(number);
  return {};
}

// hasFileStampsChanged(stamps, number) returns whether the database file or the -wal file of the
// entry `number` has changed since addFileStamps(). If `stamps` has no entry `number`, the result
// is true.
Napi::Value HasFileStampsChanged(const Napi::CallbackInfo& info) {
  Arguments args(info, "hasFileStampsChanged");
  const auto stamps = args.Open<FileStamps>(args[0], "stamps");
  const uint32_t number = args.U32(args[1], "number");
  if (!args.ok()) return {};
  const auto found = stamps->watched.find(number);
  std::string wal;
  return Napi::Boolean::New(info.Env(), found == stamps->watched.end() || found->second.HasChanged(wal));
}

// changedFileStamps(stamps) returns the number of each entry whose database file or -wal file has
// changed since addFileStamps().
Napi::Value ChangedFileStamps(const Napi::CallbackInfo& info) {
  Arguments args(info, "changedFileStamps");
  const auto stamps = args.Open<FileStamps>(args[0], "stamps");
  if (!args.ok()) return {};
  Napi::Array changed = Napi::Array::New(info.Env());
  uint32_t count = 0;
  std::string wal;
  for (const auto& [number, watched] : stamps->watched) {
    if (watched.HasChanged(wal)) changed.Set(count++, Napi::Number::New(info.Env(), number));
  }
  return changed;
}

}  // namespace

void ExportFileStamps(Napi::Env env, Napi::Object exports) {
  exports.Set("createFileStamps", Napi::Function::New(env, CreateFileStamps));
  exports.Set("addFileStamps", Napi::Function::New(env, AddFileStamps));
  exports.Set("removeFileStamps", Napi::Function::New(env, RemoveFileStamps));
  exports.Set("hasFileStampsChanged", Napi::Function::New(env, HasFileStampsChanged));
  exports.Set("changedFileStamps", Napi::Function::New(env, ChangedFileStamps));
}

}  // namespace litestream
