// Exports a function that locks an open file, because Node.js has no function for file locks.
#include "napi/arguments.h"
#include "napi/exports.h"
#include "os/file.h"

namespace litestream {
namespace {

// tryLockFile(fd) takes the exclusive lock of the open file `fd` and returns 0 or an error number.
// If another descriptor of this process or of another process holds the lock, the error number is
// EAGAIN. The operating system releases the lock when the descriptor `fd` is closed or the process
// ends.
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
