// How the replica worker makes views, shows them and lets them go. Worker thread only.
#include "napi/exports.h"
#include "napi/worker_napi.h"

namespace litestream {

namespace {

Napi::Value AddView(const Napi::CallbackInfo& info) {
  auto replica = ReplicaArgument(info[0]);
  if (!replica) return Napi::Number::New(info.Env(), 0);
  Napi::Object facts = info[2].As<Napi::Object>();
  // First of all, because without it there is no view: a worker that is being ended gets nothing any more.
  Napi::Value cache = facts.Get("cache");
  if (!Made(cache)) return Napi::Number::New(info.Env(), 0);
  ViewFacts f;
  f.txid = uint64_t(facts.Get("txid").As<Napi::Number>().Int64Value());
  f.timestamp = facts.Get("timestamp").As<Napi::Number>().Int64Value();
  f.commit = U32(facts.Get("commit"));
  f.counter = U32(facts.Get("counter"));
  f.cookie_shift = U32(facts.Get("cookieShift"));
  f.cache = *cache.As<CacheHandle>().Data();
  Napi::Value hydrated = facts.Get("hydrated");
  if (Made(hydrated) && hydrated.IsExternal()) f.hydrated = *hydrated.As<FileHandle>().Data();
  auto changed = info[3].As<Napi::Uint32Array>();
  View* view = replica->AddView(replica->FindView(U32(info[1])), f, changed.Data(), changed.ElementLength());
  return Napi::Number::New(info.Env(), view->id);
}

void PublishView(const Napi::CallbackInfo& info) {
  auto replica = ReplicaArgument(info[0]);
  View* view = replica ? replica->FindView(U32(info[1])) : nullptr;
  if (view != nullptr) replica->Publish(view);
}

void RetireView(const Napi::CallbackInfo& info) {
  auto replica = ReplicaArgument(info[0]);
  View* view = replica ? replica->FindView(U32(info[1])) : nullptr;
  if (view != nullptr) replica->Retire(view);
}

Napi::Value CollectViews(const Napi::CallbackInfo& info) {
  auto replica = ReplicaArgument(info[0]);
  std::vector<uint32_t> left = replica ? replica->Collect() : std::vector<uint32_t>();
  return ArrayOf<Napi::Uint32Array>(info.Env(), left);
}

// What is known of a view that an earlier worker made and that a reader still has pinned; undefined if it is gone.
Napi::Value GetViewFacts(const Napi::CallbackInfo& info) {
  auto replica = ReplicaArgument(info[0]);
  View* view = replica ? replica->FindView(U32(info[1])) : nullptr;
  if (view == nullptr) return info.Env().Undefined();
  Napi::Object facts = Napi::Object::New(info.Env());
  facts["txid"] = double(view->txid);
  facts["timestamp"] = double(view->timestamp);
  facts["commit"] = view->commit;
  facts["pageSize"] = view->page_size();
  return facts;
}

}  // namespace

void ExportViews(Napi::Env env, Napi::Object exports) {
  exports["addView"] = Napi::Function::New(env, AddView);
  exports["publishView"] = Napi::Function::New(env, PublishView);
  exports["retireView"] = Napi::Function::New(env, RetireView);
  exports["collectViews"] = Napi::Function::New(env, CollectViews);
  exports["viewFacts"] = Napi::Function::New(env, GetViewFacts);
}

}  // namespace litestream
