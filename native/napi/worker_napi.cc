// The functions with which the replica worker takes requests from the bridge and sets the fields of
// the native Replica objects. Only the worker thread calls the functions of worker_napi.cc.
// src/native/replica.ts has the TypeScript types of the exports of worker_napi.cc, views_napi.cc,
// pages_napi.cc and hydration_napi.cc.
#include "napi/exports.h"
#include "napi/worker_napi.h"

namespace litestream {

namespace {

Napi::Value AttachWorker(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Arguments args(info, "attachWorker");
  const Napi::Function on_requests = args.Function(args[0], "onRequests");
  if (!args.ok()) return {};
  if (!Bridge::Get().Attach(env, on_requests)) return Napi::Boolean::New(env, false);
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

// completeRequest(id) completes the request `id` successfully.
Napi::Value CompleteRequest(const Napi::CallbackInfo& info) {
  Arguments args(info, "completeRequest");
  const uint32_t id = args.U32(args[0], "id");
  if (args.ok()) Bridge::Get().Complete(id, Outcome::kOk, "", "");
  return {};
}

// failRequest(id, code, message) completes the request `id` with an error code and an error
// message.
Napi::Value FailRequest(const Napi::CallbackInfo& info) {
  Arguments args(info, "failRequest");
  const uint32_t id = args.U32(args[0], "id");
  const std::string code = args.Text(args[1], "code"), message = args.Text(args[2], "message");
  if (args.ok()) Bridge::Get().Complete(id, Outcome::kFailed, code, message);
  return {};
}

// completeTravel(id, view) completes the travel request `id`. After the completion, the connection
// that sent the travel request reads `view`. The worker creates the view of a travel request for
// one connection, and the view exists until this connection leaves it.
Napi::Value CompleteTravel(const Napi::CallbackInfo& info) {
  Arguments args(info, "completeTravel");
  const uint32_t id = args.U32(args[0], "id"), view = args.U32(args[1], "view");
  if (args.ok()) args.Require(Bridge::Get().CompleteTravel(id, view), "there is no such view");
  return {};
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

// setState(replica, state, code, message) sets the ReplicaState, the error code and the error
// message of a replica.
Napi::Value SetState(const Napi::CallbackInfo& info) {
  Arguments args(info, "setState");
  const auto replica = ReplicaArgument(args, args[0]);
  const uint32_t state = args.U32(args[1], "state", 0, uint32_t(ReplicaState::kClosed));
  const std::string code = args.Text(args[2], "code"), message = args.Text(args[3], "message");
  if (!args.ok() || !replica) return {};
  replica->SetError(code, message);
  replica->state.store(ReplicaState(state));
  return {};
}

// setLive(replica, contact) sets the replica's state to kLive and removes its error. `contact` is
// the time in milliseconds of the monotonic clock at which the last successful poll began.
Napi::Value SetLive(const Napi::CallbackInfo& info) {
  Arguments args(info, "setLive");
  const auto replica = ReplicaArgument(args, args[0]);
  const int64_t contact = args.Milliseconds(args[1], "contact");
  if (!args.ok() || !replica) return {};
  replica->contact.store(contact);
  replica->SetError("", "");
  replica->state.store(ReplicaState::kLive);
  return {};
}

// setLimits(replica, readTimeout, maxStale) sets the read timeout and the maximum staleness of a
// replica, both in milliseconds. If `maxStale` is undefined, the maximum staleness does not change.
Napi::Value SetLimits(const Napi::CallbackInfo& info) {
  Arguments args(info, "setLimits");
  const auto replica = ReplicaArgument(args, args[0]);
  const int64_t read_timeout = args.Milliseconds(args[1], "readTimeout");
  const bool never_stale = args[2].IsUndefined();
  const int64_t max_stale = never_stale ? 0 : args.Milliseconds(args[2], "maxStale");
  if (!args.ok() || !replica) return {};
  replica->read_timeout.store(read_timeout);
  if (!never_stale) replica->max_stale.store(max_stale);
  return {};
}

// nextIncarnation(replica) increments the incarnation counter of a replica and returns its previous
// value.
Napi::Value NextIncarnation(const Napi::CallbackInfo& info) {
  Arguments args(info, "nextIncarnation");
  const auto replica = ReplicaArgument(args, args[0]);
  if (!args.ok()) return {};
  return Napi::Number::New(info.Env(), replica ? replica->incarnation++ : 0);
}

// setHydration(replica, progress, path) stores which part of the local copy is filled (from 0 to
// 1), and the path of the local copy.
Napi::Value SetHydration(const Napi::CallbackInfo& info) {
  Arguments args(info, "setHydration");
  const auto replica = ReplicaArgument(args, args[0]);
  const double progress = args.Between(args[1], "progress", 0, 1);
  const std::string path = args.Text(args[2], "path");
  if (!args.ok() || !replica) return {};
  replica->hydration_permille.store(int(progress * 1000));
  replica->SetHydrationPath(path);
  return {};
}

}  // namespace

void ExportWorker(Napi::Env env, Napi::Object exports) {
  exports["attachWorker"] = Napi::Function::New(env, AttachWorker);
  exports["takeRequests"] = Napi::Function::New(env, TakeRequests);
  exports["completeRequest"] = Napi::Function::New(env, CompleteRequest);
  exports["failRequest"] = Napi::Function::New(env, FailRequest);
  exports["completeTravel"] = Napi::Function::New(env, CompleteTravel);
  exports["allReplicas"] = Napi::Function::New(env, AllReplicas);
  exports["setState"] = Napi::Function::New(env, SetState);
  exports["setLive"] = Napi::Function::New(env, SetLive);
  exports["setLimits"] = Napi::Function::New(env, SetLimits);
  exports["nextIncarnation"] = Napi::Function::New(env, NextIncarnation);
  exports["setHydration"] = Napi::Function::New(env, SetHydration);
}

}  // namespace litestream
