// The functions with which the replica worker reads and completes a commit while the connection
// that commits waits for the result. Only the worker thread calls the functions of write_napi.cc.
// src/native/replica.ts has the TypeScript types of the functions of write_napi.cc.
#include "ltx/limits.h"
#include "napi/exports.h"
#include "napi/worker_napi.h"

namespace litestream {

namespace {

// setWritable(replica, writable, commitTimeout) sets whether connections may write to the replica,
// and sets the commit timeout in milliseconds.
Napi::Value SetWritable(const Napi::CallbackInfo& info) {
  Arguments args(info, "setWritable");
  const auto replica = ReplicaArgument(args, args[0]);
  const bool writable = args.Bool(args[1], "writable");
  const int64_t timeout = args.Milliseconds(args[2], "commitTimeout");
  if (!args.ok() || !replica) return {};
  replica->writable.store(writable);
  replica->commit_timeout.store(timeout);
  return {};
}

// The pages of a commit exist as long as JavaScript has a PagesHandle of the commit, even if the
// connection no longer waits for the result.
using PagesHandle = Handle<const CommitSource>;

// takeCommit(id) returns { pages, pageSize, commit, durability, pgnos } for the commit request
// `id`. `commit` is the database size in pages after the commit. If the request is no longer
// pending or is not a commit request, returns undefined.
Napi::Value TakeCommit(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Arguments args(info, "takeCommit");
  const uint32_t id = args.U32(args[0], "id");
  if (!args.ok()) return {};
  auto request = Bridge::Get().Pending(id);
  if (!request || !request->pages) return env.Undefined();
  Napi::Object result = Napi::Object::New(env);
  const Napi::Value handle = PagesHandle::New(env, request->pages);
  if (!Made(result) || !Made(handle)) return env.Undefined();
  result["pages"] = handle;
  result["pageSize"] = request->pages->page_size();
  result["commit"] = request->pages->commit();
  result["durability"] = int(request->durability);
  result["pgnos"] = ArrayOf<Napi::Uint32Array>(env, request->pages->pgnos());
  return result;
}

// readCommit(pages, from, count, out) copies `count` pages of a commit into `out`, beginning at
// index `from` of the array `pgnos` that takeCommit() has returned. If a page cannot be read,
// returns false.
Napi::Value ReadCommit(const Napi::CallbackInfo& info) {
  Arguments args(info, "readCommit");
  const auto pages = args.Open<const CommitSource>(args[0], "pages");
  const uint32_t from = args.U32(args[1], "from"), count = args.U32(args[2], "count");
  const size_t page_size = pages ? pages->page_size() : 0;
  const Span<uint8_t> out = args.Bytes(args[3], "out", count * page_size);
  args.Require(pages == nullptr || Inside(from, count, pages->pgnos().size()), "the commit does not have so many pages");
  if (!args.ok()) return {};
  bool read = true;
  for (uint32_t i = 0; read && i < count; i++) read = pages->ReadPage(pages->pgnos()[from + i], out.data + i * page_size);
  return Napi::Boolean::New(info.Env(), read);
}

// completeCommit(id, view) completes the commit request `id` successfully. After the completion,
// the connection that has committed reads `view`, which is the view after the commit.
Napi::Value CompleteCommit(const Napi::CallbackInfo& info) {
  Arguments args(info, "completeCommit");
  const uint32_t id = args.U32(args[0], "id"), view = args.U32(args[1], "view");
  if (args.ok()) Bridge::Get().CompleteCommit(id, view);
  return {};
}

}  // namespace

void ExportWrite(Napi::Env env, Napi::Object exports) {
  exports["setWritable"] = Napi::Function::New(env, SetWritable);
  exports["takeCommit"] = Napi::Function::New(env, TakeCommit);
  exports["readCommit"] = Napi::Function::New(env, ReadCommit);
  exports["completeCommit"] = Napi::Function::New(env, CompleteCommit);
}

}  // namespace litestream
