// A promise that native work settles. Replaces Napi::Promise::Deferred, which is unsafe while a
// worker is being terminated: its JavaScript still runs for a moment, N-API then creates no
// promises, and that class returns uninitialized memory.
#pragma once
#include <napi.h>

namespace litestream {

class Deferred {
 public:
  explicit Deferred(Napi::Env env) : env_(env) {
    if (napi_create_promise(env, &deferred_, &promise_) == napi_ok) return;
    deferred_ = nullptr;
    promise_ = nullptr;
  }

  // The promise that the function called from JavaScript returns. Empty, which JavaScript receives
  // as undefined, if N-API created none.
  Napi::Value promise() const { return Napi::Value(env_, promise_); }

  void Resolve(const Napi::Value& value) {
    if (deferred_ != nullptr) napi_resolve_deferred(env_, deferred_, value);
  }
  void Reject(const Napi::Value& value) {
    if (deferred_ != nullptr) napi_reject_deferred(env_, deferred_, value);
  }

 private:
  const Napi::Env env_;
  napi_deferred deferred_ = nullptr;
  napi_value promise_ = nullptr;
};

}  // namespace litestream
