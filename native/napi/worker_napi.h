// Shared by the files with the worker's functions: reading arguments, making results.
#pragma once
#include <napi.h>

#include <cstring>
#include <memory>
#include <vector>

#include "napi/arguments.h"
#include "replica/bridge.h"

namespace litestream {

using CacheHandle = Handle<PageCache>;
using FileHandle = Handle<HydratedFile>;

// The replica with this id; null if it was closed.
inline std::shared_ptr<Replica> ReplicaArgument(Arguments& args, const Napi::Value& value) {
  return Registry::Get().Find(args.U32(value, "replica"));
}
// A view of the replica; null if the replica was closed or the view was freed.
inline View* ViewArgument(Arguments& args, const std::shared_ptr<Replica>& replica, const Napi::Value& value) {
  const uint32_t id = args.U32(value, "view");
  return replica ? replica->FindView(id) : nullptr;
}
// A slot that was filled before.
inline uint32_t SlotArgument(Arguments& args, const std::shared_ptr<PageCache>& cache, const Napi::Value& value) {
  const uint32_t slot = args.U32(value, "slot");
  args.Require(cache != nullptr && cache->Filled(slot), "there is no page in this slot");
  return slot;
}

// False if N-API returned an empty value. Once a worker is being terminated during a call, N-API
// refuses every operation that could run JavaScript (properties, typed arrays) and returns empty
// values. The result of the call is then unused, but the call must not write through empty values.
inline bool Made(const Napi::Value& value) { return !value.IsEmpty(); }

// Converts values to a typed array of their type.
template <typename Array, typename T>
Array ArrayOf(Napi::Env env, const std::vector<T>& values) {
  Array result = Array::New(env, values.size());
  if (!values.empty() && Made(result)) memcpy(result.Data(), values.data(), values.size() * sizeof(T));
  return result;
}

}  // namespace litestream
