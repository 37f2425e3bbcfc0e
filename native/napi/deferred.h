// A promise that native work keeps. Napi::Promise::Deferred must not be used for it: while a worker is being ended its JavaScript
// still runs for a moment, N-API makes no promises for it any more, and what that class returns then is whatever stood in its memory.
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

  // To be asked for by the call that made it. Empty, which JavaScript gets as undefined, where there is none.
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
