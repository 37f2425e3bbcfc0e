// What the files with the worker's functions share: their arguments and answers.
#pragma once
#include <napi.h>

#include <cstring>
#include <memory>
#include <vector>

#include "replica/bridge.h"

namespace litestream {

using CacheHandle = Napi::External<std::shared_ptr<PageCache>>;
using FileHandle = Napi::External<std::shared_ptr<HydratedFile>>;

inline uint32_t U32(const Napi::Value& value) { return value.As<Napi::Number>().Uint32Value(); }
inline std::shared_ptr<Replica> ReplicaArgument(const Napi::Value& value) { return Registry::Get().Find(U32(value)); }

// A worker may be ended while its JavaScript is in here: from then on N-API refuses what could run JavaScript (properties, typed
// arrays) and gives empty values. Nobody will see what is returned, but nothing may be written through them.
inline bool Made(const Napi::Value& value) { return !value.IsEmpty(); }

// Values as a typed array of their kind.
template <typename Array, typename T>
Array ArrayOf(Napi::Env env, const std::vector<T>& values) {
  Array result = Array::New(env, values.size());
  if (!values.empty() && Made(result)) memcpy(result.Data(), values.data(), values.size() * sizeof(T));
  return result;
}

}  // namespace litestream
