// Exports the advisory lock of an open file, because Node.js has no function for file locks.
#include "napi/arguments.h"
#include "napi/exports.h"
#include "os/file.h"

namespace litestream {
namespace {

// tryLockFile(fd) takes the exclusive lock of a file and returns 0 or an error number. The error
// number is EAGAIN if another descriptor, in this or another process, holds the lock. The operating
// system releases the lock when the descriptor is closed or the process ends.
Napi::Value TryLockFile(const Napi::CallbackInfo& info) {
  Arguments args(info, "tryLockFile");
  const int fd = args.Descriptor(args[0]);
  if (!args.ok()) return {};
  return Napi::Number::New(info.Env(), os::TryLock(os::FileOfDescriptor(fd)));
}

}  // namespace

void ExportFileLock(Napi::Env env, Napi::Object exports) {
  exports.Set("tryLockFile", Napi::Function::New(env, TryLockFile, "tryLockFile"));
}

}  // namespace litestream
