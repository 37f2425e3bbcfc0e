// The functions with which the replica worker creates, publishes and retires views. Only the worker
// thread calls the functions of views_napi.cc.
#include "ltx/limits.h"
#include "napi/exports.h"
#include "napi/worker_napi.h"

namespace litestream {

namespace {

// addView(replica, base, facts, changed) creates a view with Replica::AddView. Returns the id of
// the created view, or 0 if the replica was closed.
Napi::Value AddView(const Napi::CallbackInfo& info) {
  Arguments args(info, "addView");
  const auto replica = ReplicaArgument(args, args[0]);
  View* base = ViewArgument(args, replica, args[1]);
  const Napi::Object facts = args.Object(args[2], "facts");
  const Span<uint32_t> changed = args.U32s(args[3], "changed");
  if (!args.ok()) return {};
  ViewFacts f;
  f.cache = args.Open<PageCache>(facts.Get("cache"), "cache");
  f.txid = args.U53(facts.Get("txid"), "txid");
  f.timestamp = args.I53(facts.Get("timestamp"), "timestamp");
  // `commit` is 0 for an empty replica.
  f.commit = args.U32(facts.Get("commit"), "commit", 0, kMaxCommit);
  f.counter = args.U32(facts.Get("counter"), "counter");
  f.cookie_shift = args.U32(facts.Get("cookieShift"), "cookieShift");
  const Napi::Value hydrated = facts.Get("hydrated");
  if (Made(hydrated) && !hydrated.IsNull()) f.hydrated = args.Open<HydratedFile>(hydrated, "hydrated");
  args.Require(f.hydrated == nullptr || f.cache == nullptr || f.hydrated->page_size() == f.cache->page_size(),
               "the hydrated file has pages of another size");
  if (!args.ok()) return {};
  if (!replica) return Napi::Number::New(info.Env(), 0);
  return Napi::Number::New(info.Env(), replica->AddView(base, f, changed.data, changed.size)->id);
}

// publishView(replica, view) makes the view the current view of the replica.
Napi::Value PublishView(const Napi::CallbackInfo& info) {
  Arguments args(info, "publishView");
  const auto replica = ReplicaArgument(args, args[0]);
  View* view = ViewArgument(args, replica, args[1]);
  if (args.ok() && view != nullptr) replica->Publish(view);
  return {};
}

// retireView(replica, view) marks a view as retired. The next call of collectViews() frees each
// retired view that no reader pins.
Napi::Value RetireView(const Napi::CallbackInfo& info) {
  Arguments args(info, "retireView");
  const auto replica = ReplicaArgument(args, args[0]);
  View* view = ViewArgument(args, replica, args[1]);
  if (args.ok() && view != nullptr) replica->Retire(view);
  return {};
}

// collectViews(replica) frees each retired view that no reader pins. Returns the ids of the
// replica's remaining views.
Napi::Value CollectViews(const Napi::CallbackInfo& info) {
  Arguments args(info, "collectViews");
  const auto replica = ReplicaArgument(args, args[0]);
  if (!args.ok()) return {};
  std::vector<uint32_t> left = replica ? replica->Collect() : std::vector<uint32_t>();
  return ArrayOf<Napi::Uint32Array>(info.Env(), left);
}

// viewFacts(replica, view) returns the metadata of a view, for example of a view that an earlier
// worker has created. If the view was freed, returns undefined.
Napi::Value GetViewFacts(const Napi::CallbackInfo& info) {
  Arguments args(info, "viewFacts");
  const auto replica = ReplicaArgument(args, args[0]);
  View* view = ViewArgument(args, replica, args[1]);
  if (!args.ok() || view == nullptr) return info.Env().Undefined();
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
