// A promise that native work settles. Deferred replaces Napi::Promise::Deferred, which is unsafe
// while a worker thread is being terminated. While a worker thread is being terminated, its
// JavaScript can still call the addon. During the termination, N-API refuses to create a promise,
// but Napi::Promise::Deferred ignores the refusal and returns uninitialized memory.
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

  // Returns the promise that the called function returns to JavaScript. If N-API has refused to
  // create the promise, returns an empty value, which JavaScript receives as undefined.
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
