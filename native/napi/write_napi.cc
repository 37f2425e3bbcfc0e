// How the replica worker takes a commit over from the connection that waits for it. Worker thread only. Typed in
// src/native/replica.ts.
#include "napi/exports.h"
#include "napi/worker_napi.h"

namespace litestream {

namespace {

void SetWritable(const Napi::CallbackInfo& info) {
  auto replica = ReplicaArgument(info[0]);
  if (!replica) return;
  replica->writable.store(info[1].As<Napi::Boolean>().Value());
  replica->commit_timeout.store(info[2].As<Napi::Number>().Int64Value());
}

// Keeps what a commit consists of for as long as JavaScript refers to it, also after the connection has stopped waiting.
using PagesHandle = Napi::External<std::shared_ptr<const CommitSource>>;

Napi::Value TakeCommit(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  auto request = Bridge::Get().Pending(U32(info[0]));
  if (!request || !request->pages) return env.Undefined();
  Napi::Object result = Napi::Object::New(env);
  auto* pages = new std::shared_ptr<const CommitSource>(request->pages);
  auto handle = PagesHandle::New(env, pages, [](Napi::Env, std::shared_ptr<const CommitSource>* data) { delete data; });
  if (!Made(result) || !Made(handle)) return env.Undefined();
  result["pages"] = handle;
  result["pageSize"] = request->pages->page_size();
  result["commit"] = request->pages->commit();
  result["durability"] = int(request->durability);
  result["pgnos"] = ArrayOf<Napi::Uint32Array>(env, request->pages->pgnos());
  return result;
}

// Copies `count` pages of a commit, from the place `from` in its list on, into a buffer. False if a page cannot be read.
Napi::Value ReadCommit(const Napi::CallbackInfo& info) {
  const CommitSource& pages = **info[0].As<PagesHandle>().Data();
  const uint32_t from = U32(info[1]), count = U32(info[2]);
  auto out = info[3].As<Napi::Uint8Array>();
  const uint64_t bytes = uint64_t(count) * pages.page_size();
  bool read = uint64_t(from) + count <= pages.pgnos().size() && bytes <= out.ByteLength();
  for (uint32_t i = 0; read && i < count; i++) {
    read = pages.ReadPage(pages.pgnos()[from + i], out.Data() + size_t(i) * pages.page_size());
  }
  return Napi::Boolean::New(info.Env(), read);
}

void CompleteCommit(const Napi::CallbackInfo& info) { Bridge::Get().CompleteCommit(U32(info[0]), U32(info[1])); }

}  // namespace

void ExportWrite(Napi::Env env, Napi::Object exports) {
  exports["setWritable"] = Napi::Function::New(env, SetWritable);
  exports["takeCommit"] = Napi::Function::New(env, TakeCommit);
  exports["readCommit"] = Napi::Function::New(env, ReadCommit);
  exports["completeCommit"] = Napi::Function::New(env, CompleteCommit);
}

}  // namespace litestream
