// The functions for replicas that JavaScript may call on any thread. worker_napi.cc has the
// functions that only the replica worker calls. src/native/replica.ts has the TypeScript types of
// the functions of handle_napi.cc and worker_napi.cc.
#include "napi/exports.h"
#include "napi/worker_napi.h"

namespace litestream {

namespace {

Napi::Value AcquireReplica(const Napi::CallbackInfo& info) {
  Arguments args(info, "acquireReplica");
  const std::string key = args.Text(args[0], "key");
  if (!args.ok()) return {};
  bool created = false;
  auto replica = Registry::Get().Acquire(key, &created);
  return Napi::Number::New(info.Env(), replica->id);
}

Napi::Value ReleaseReplica(const Napi::CallbackInfo& info) {
  Arguments args(info, "releaseReplica");
  const auto replica = ReplicaArgument(args, args[0]);
  if (!args.ok()) return {};
  return Napi::Boolean::New(info.Env(), replica && Registry::Get().Release(replica));
}

Napi::Value ReplicaInfo(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Arguments args(info, "replicaInfo");
  const auto replica = ReplicaArgument(args, args[0]);
  if (!args.ok() || !replica) return env.Undefined();
  Napi::Object result = Napi::Object::New(env);
  auto counts = replica->Count();
  result["key"] = replica->key;
  result["state"] = int(replica->state.load());
  result["contact"] = double(replica->contact.load());
  result["error"] = replica->Error();
  result["hits"] = double(counts.hits);
  result["misses"] = double(counts.misses);
  result["readers"] = double(counts.readers);
  result["crossings"] = double(replica->crossings.load());
  result["hydration"] = replica->hydration_permille.load() / 1000.0;
  // The worker thread can free an unpinned view at any moment, so a temporary Reader pins the view
  // while replicaInfo copies the view's fields.
  auto reader = replica->AddReader();
  View* view = replica->ReadLock(reader.get());
  if (view != nullptr) {
    result["txid"] = double(view->txid);
    result["timestamp"] = double(view->timestamp);
    result["commit"] = view->commit;
    result["pageSize"] = view->page_size();
    result["cacheBytes"] = double(view->cache->allocated());
  }
  Napi::Object ahead = Napi::Object::New(info.Env());
  for (uint8_t i = 0; i < kAheadKindCount; i++) {
    Napi::Object kind = Napi::Object::New(info.Env());
    kind["brought"] = double(replica->ahead[i].brought.load());
    kind["used"] = double(replica->ahead[i].used.load());
    kind["wasted"] = double(replica->ahead[i].wasted.load());
    ahead[kAheadKinds[i]] = kind;
  }
  result["readAhead"] = ahead;
  replica->ReadUnlock(reader.get());
  replica->RemoveReader(reader);
  return result;
}

Napi::Value LiveObjects(const Napi::CallbackInfo& info) {
  Napi::Object result = Napi::Object::New(info.Env());
  result["replicas"] = double(LiveCounts::replicas.load());
  result["views"] = double(LiveCounts::views.load());
  result["chunks"] = double(LiveCounts::chunks.load());
  result["readers"] = double(LiveCounts::readers.load());
  return result;
}

Napi::Value ExpectWorker(const Napi::CallbackInfo& info) { return Napi::Number::New(info.Env(), Bridge::Get().Expect()); }
Napi::Value UnexpectWorker(const Napi::CallbackInfo& info) {
  Arguments args(info, "unexpectWorker");
  const uint32_t ticket = args.U32(args[0], "ticket");
  if (args.ok()) Bridge::Get().Unexpect(ticket);
  return {};
}
Napi::Value WorkerEpoch(const Napi::CallbackInfo& info) { return Napi::Number::New(info.Env(), Bridge::Get().epoch()); }
Napi::Value WorkerAlive(const Napi::CallbackInfo& info) { return Napi::Boolean::New(info.Env(), Bridge::Get().alive()); }
Napi::Value OpenReplicas(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), double(Registry::Get().All().size()));
}

Napi::Value TellWorker(const Napi::CallbackInfo& info) {
  Arguments args(info, "tellWorker");
  auto request = std::make_shared<Request>();
  request->kind = RequestKind(args.U32(args[0], "kind", 0, uint32_t(RequestKind::kAhead)));
  request->replica = ReplicaArgument(args, args[1]);
  request->text = args.Text(args[2], "text");
  if (args.ok()) Bridge::Get().Tell(request);
  return {};
}

}  // namespace

void ExportHandle(Napi::Env env, Napi::Object exports) {
  exports["acquireReplica"] = Napi::Function::New(env, AcquireReplica);
  exports["releaseReplica"] = Napi::Function::New(env, ReleaseReplica);
  exports["replicaInfo"] = Napi::Function::New(env, ReplicaInfo);
  exports["liveObjects"] = Napi::Function::New(env, LiveObjects);
  exports["expectWorker"] = Napi::Function::New(env, ExpectWorker);
  exports["unexpectWorker"] = Napi::Function::New(env, UnexpectWorker);
  exports["workerEpoch"] = Napi::Function::New(env, WorkerEpoch);
  exports["workerAlive"] = Napi::Function::New(env, WorkerAlive);
  exports["tellWorker"] = Napi::Function::New(env, TellWorker);
  exports["openReplicas"] = Napi::Function::New(env, OpenReplicas);
}

}  // namespace litestream
