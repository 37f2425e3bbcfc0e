// What the replica worker asks of the bridge, and what it tells of its replicas. Worker thread only. Typed, as the other files of the
// worker (views_napi.cc, pages_napi.cc, hydration_napi.cc), in src/native/replica.ts.
#include "napi/exports.h"
#include "napi/worker_napi.h"

namespace litestream {

namespace {

Napi::Value AttachWorker(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  if (!Bridge::Get().Attach(env, info[0].As<Napi::Function>())) return Napi::Boolean::New(env, false);
  env.AddCleanupHook([] { Bridge::Get().Detach(); });
  return Napi::Boolean::New(env, true);
}

Napi::Value TakeRequests(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  auto taken = Bridge::Get().Take();
  Napi::Array result = Napi::Array::New(env, taken.size());
  for (size_t i = 0; i < taken.size(); i++) {
    Request& request = *taken[i];
    Napi::Object o = Napi::Object::New(env);
    o["id"] = request.id;
    o["kind"] = int(request.kind);
    o["replica"] = request.replica ? request.replica->id : 0;
    o["reader"] = request.reader ? request.reader->id : 0;
    o["view"] = request.view;
    o["pgno"] = request.pgno;
    o["indexLeaf"] = request.index_leaf;
    o["text"] = request.text;
    result[uint32_t(i)] = o;
  }
  return result;
}

void CompleteRequest(const Napi::CallbackInfo& info) { Bridge::Get().Complete(U32(info[0]), Outcome::kOk, "", ""); }

void FailRequest(const Napi::CallbackInfo& info) {
  Bridge::Get().Complete(U32(info[0]), Outcome::kFailed, info[1].As<Napi::String>().Utf8Value(),
                         info[2].As<Napi::String>().Utf8Value());
}

void CompletePage(const Napi::CallbackInfo& info) {
  if (info[1].IsExternal()) {
    auto cache = *info[1].As<CacheHandle>().Data();
    Bridge::Get().CompletePage(U32(info[0]), cache->Data(U32(info[2])));
  } else {
    Bridge::Get().CompletePage(U32(info[0]), info[1].As<Napi::Uint8Array>().Data());
  }
}

// Sends the asking connection to a view of its own; the view lives until the connection leaves it.
void CompleteTravel(const Napi::CallbackInfo& info) {
  Bridge::Get().CompleteTravel(U32(info[0]), U32(info[1]));
}

Napi::Value AllReplicas(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  auto all = Registry::Get().All();
  Napi::Array result = Napi::Array::New(env, all.size());
  for (size_t i = 0; i < all.size(); i++) {
    Napi::Object o = Napi::Object::New(env);
    o["id"] = all[i]->id;
    o["key"] = all[i]->key;
    o["orphaned"] = all[i]->state.load() == ReplicaState::kOrphaned;
    result[uint32_t(i)] = o;
  }
  return result;
}

void SetState(const Napi::CallbackInfo& info) {
  auto replica = ReplicaArgument(info[0]);
  if (!replica) return;
  replica->SetError(info[2].As<Napi::String>().Utf8Value(), info[3].As<Napi::String>().Utf8Value());
  replica->state.store(ReplicaState(info[1].As<Napi::Number>().Int32Value()));
}

void SetContact(const Napi::CallbackInfo& info) {
  auto replica = ReplicaArgument(info[0]);
  if (replica) replica->contact.store(info[1].As<Napi::Number>().Int64Value());
}

void SetReadTimeout(const Napi::CallbackInfo& info) {
  auto replica = ReplicaArgument(info[0]);
  if (replica) replica->read_timeout.store(info[1].As<Napi::Number>().Int64Value());
}

void SetMaxStale(const Napi::CallbackInfo& info) {
  auto replica = ReplicaArgument(info[0]);
  if (replica) replica->max_stale.store(info[1].As<Napi::Number>().Int64Value());
}

// The count so far, which then grows: SQLite's change counters of what comes next differ from all before.
Napi::Value NextIncarnation(const Napi::CallbackInfo& info) {
  auto replica = ReplicaArgument(info[0]);
  return Napi::Number::New(info.Env(), replica ? replica->incarnation++ : 0);
}

void SetHydration(const Napi::CallbackInfo& info) {
  auto replica = ReplicaArgument(info[0]);
  if (!replica) return;
  replica->hydration_permille.store(int(info[1].As<Napi::Number>().DoubleValue() * 1000));
  replica->SetHydrationPath(info[2].As<Napi::String>().Utf8Value());
}

}  // namespace

void ExportWorker(Napi::Env env, Napi::Object exports) {
  exports["attachWorker"] = Napi::Function::New(env, AttachWorker);
  exports["takeRequests"] = Napi::Function::New(env, TakeRequests);
  exports["completeRequest"] = Napi::Function::New(env, CompleteRequest);
  exports["failRequest"] = Napi::Function::New(env, FailRequest);
  exports["completePage"] = Napi::Function::New(env, CompletePage);
  exports["completeTravel"] = Napi::Function::New(env, CompleteTravel);
  exports["allReplicas"] = Napi::Function::New(env, AllReplicas);
  exports["setState"] = Napi::Function::New(env, SetState);
  exports["setContact"] = Napi::Function::New(env, SetContact);
  exports["setReadTimeout"] = Napi::Function::New(env, SetReadTimeout);
  exports["setMaxStale"] = Napi::Function::New(env, SetMaxStale);
  exports["nextIncarnation"] = Napi::Function::New(env, NextIncarnation);
  exports["setHydration"] = Napi::Function::New(env, SetHydration);
}

}  // namespace litestream
