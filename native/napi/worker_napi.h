// Helpers that read arguments and create results for the functions that only the replica worker
// calls.
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

// Returns the replica with the id `value`. If the replica was closed, returns null.
inline std::shared_ptr<Replica> ReplicaArgument(Arguments& args, const Napi::Value& value) {
  return Registry::Get().Find(args.U32(value, "replica"));
}
// Returns the replica's view with the id `value`. If the replica was closed or the view was freed,
// returns null.
inline View* ViewArgument(Arguments& args, const std::shared_ptr<Replica>& replica, const Napi::Value& value) {
  const uint32_t id = args.U32(value, "view");
  return replica ? replica->FindView(id) : nullptr;
}
// Returns the slot number `value`. If no memory is allocated for the slot, records an error in
// `args`.
inline uint32_t SlotArgument(Arguments& args, const std::shared_ptr<PageCache>& cache, const Napi::Value& value) {
  const uint32_t slot = args.U32(value, "slot");
  args.Require(cache != nullptr && cache->Filled(slot), "there is no page in this slot");
  return slot;
}

// Returns false if N-API has returned an empty value. If a worker thread is terminated inside a
// function of the addon, N-API returns an empty value for every operation that could run JavaScript
// (properties, typed arrays). Node.js ignores the result of the function, but the function must not
// write through the empty value.
inline bool Made(const Napi::Value& value) { return !value.IsEmpty(); }

// Returns a new typed array that contains a copy of `values`.
template <typename Array, typename T>
Array ArrayOf(Napi::Env env, const std::vector<T>& values) {
  Array result = Array::New(env, values.size());
  if (!values.empty() && Made(result)) memcpy(result.Data(), values.data(), values.size() * sizeof(T));
  return result;
}

}  // namespace litestream
