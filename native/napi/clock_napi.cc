// Exports the monotonic clock (clock.h) to TypeScript (src/native/clock.ts). Any thread may read
// the monotonic clock.
#include "clock.h"
#include "napi/exports.h"

namespace litestream {

namespace {

Napi::Value GetMonotonicMs(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), double(MonotonicNs()) / 1e6);
}

}  // namespace

void ExportClock(Napi::Env env, Napi::Object exports) {
  exports["monotonicMs"] = Napi::Function::New(env, GetMonotonicMs);
}

}  // namespace litestream
