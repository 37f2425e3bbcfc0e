// The advisory lock of an open file, which Node.js has no function for.
#include <errno.h>
#include <sys/file.h>

#include "napi/arguments.h"
#include "napi/exports.h"

namespace litestream {
namespace {

// tryLockFile(fd): 0, or an errno: EWOULDBLOCK while another descriptor, of any process, has the lock. The kernel releases it when
// the descriptor is closed, also by the end of the process.
Napi::Value TryLockFile(const Napi::CallbackInfo& info) {
  Arguments args(info, "tryLockFile");
  const int fd = args.Descriptor(args[0]);
  if (!args.ok()) return {};
  int result;
  do {
    result = flock(fd, LOCK_EX | LOCK_NB);
  } while (result != 0 && errno == EINTR);
  return Napi::Number::New(info.Env(), result == 0 ? 0 : errno);
}

}  // namespace

void ExportFileLock(Napi::Env env, Napi::Object exports) {
  exports.Set("tryLockFile", Napi::Function::New(env, TryLockFile, "tryLockFile"));
}

}  // namespace litestream
