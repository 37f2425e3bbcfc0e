// What the replica worker's JavaScript does to replicas: answer requests, make views, fill slots, hydrate. Worker thread only, but
// for the pieces that run on the thread pool (HydrateWork). Typed in src/replica/native-replica.ts.
#include <cerrno>
#include <cstring>

#include "bridge.h"
#include "btree.h"
#include "exports.h"
#include "ltx_codec.h"

namespace litestream {

namespace {

using CacheHandle = Napi::External<std::shared_ptr<PageCache>>;
using FileHandle = Napi::External<std::shared_ptr<HydratedFile>>;

uint32_t U32(const Napi::Value& value) { return value.As<Napi::Number>().Uint32Value(); }
std::shared_ptr<Replica> ReplicaArgument(const Napi::Value& value) { return Registry::Get().Find(U32(value)); }

// A worker may be ended while its JavaScript is in here: from then on N-API refuses what could run JavaScript (properties, typed
// arrays) and gives empty values. Nobody will see what is returned, but nothing may be written through them.
bool Made(const Napi::Value& value) { return !value.IsEmpty(); }

Napi::Value Uint32sOf(Napi::Env env, const std::vector<uint32_t>& values) {
  auto result = Napi::Uint32Array::New(env, values.size());
  if (!values.empty() && Made(result)) memcpy(result.Data(), values.data(), values.size() * sizeof(uint32_t));
  return result;
}

// --- requests ---

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

// --- state ---

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

// --- views ---

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
  return Uint32sOf(info.Env(), left);
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

// --- pages ---

Napi::Value CreateCache(const Napi::CallbackInfo& info) {
  auto* cache = new std::shared_ptr<PageCache>(std::make_shared<PageCache>(U32(info[0]), U32(info[1])));
  return CacheHandle::New(info.Env(), cache, [](Napi::Env, std::shared_ptr<PageCache>* data) { delete data; });
}

// frames: [offset, size, pgno, slot, ahead] each. Decodes every frame into its slot and enters it into the view; puts the page's
// b-tree type in the place of the offset. `ahead`: the kind of read-ahead that brings the page, plus kJoined where a reader waits
// for it by now; 0 for none. Returns the number of frames done; less than all means that the next one is damaged.
constexpr uint32_t kFrameFields = 5;
constexpr uint32_t kJoined = 0x80;

Napi::Value FillSlots(const Napi::CallbackInfo& info) {
  auto replica = ReplicaArgument(info[0]);
  View* view = replica ? replica->FindView(U32(info[1])) : nullptr;
  auto cache = *info[2].As<CacheHandle>().Data();
  auto source = info[3].As<Napi::Uint8Array>();
  auto frames = info[4].As<Napi::Uint32Array>();
  size_t count = frames.ElementLength() / kFrameFields;
  for (size_t i = 0; i < count; i++) {
    uint32_t* frame = frames.Data() + i * kFrameFields;
    uint32_t offset = frame[0], size = frame[1], pgno = frame[2], slot = frame[3], ahead = frame[4];
    if (size_t(offset) + size > source.ElementLength()) return Napi::Number::New(info.Env(), double(i));
    uint8_t unread = cache->Invalidate(slot);
    if (replica) {
      replica->CountAhead(unread, &AheadCounts::wasted);
      replica->AwaitReaders(slot);
    }
    uint32_t found;
    size_t used;
    FrameError error =
        DecodeFrame(source.Data() + offset, size, true, cache->page_size(), cache->Writable(slot), &found, &used);
    if (error != FrameError::kNone || found != pgno) return Napi::Number::New(info.Env(), double(i));
    frame[0] = BtreePageType(cache->Data(slot), cache->page_size(), pgno);
    uint8_t kind = uint8_t(ahead & ~kJoined);
    if (replica && kind <= kAheadKindCount) {
      replica->CountAhead(kind, &AheadCounts::brought);
      if (ahead & kJoined) replica->CountAhead(kind, &AheadCounts::used);
      else cache->SetAhead(slot, kind);
    }
    if (view != nullptr && pgno <= view->commit) view->Set(pgno, cache->Entry(slot));
  }
  return Napi::Number::New(info.Env(), double(count));
}

// Enters pages that are in slots already into another view that has the same content for them, because a reader is about to get
// them: pairs [pgno, slot].
void LinkPages(const Napi::CallbackInfo& info) {
  auto replica = ReplicaArgument(info[0]);
  View* view = replica ? replica->FindView(U32(info[1])) : nullptr;
  if (view == nullptr) return;
  auto cache = *info[2].As<CacheHandle>().Data();
  auto pairs = info[3].As<Napi::Uint32Array>();
  for (size_t i = 0; i + 1 < pairs.ElementLength(); i += 2) {
    if (pairs[i] <= view->commit) view->Set(pairs[i], cache->Entry(pairs[i + 1]));
    replica->CountAhead(cache->TakeAhead(pairs[i + 1]), &AheadCounts::used);
  }
}

Napi::Value Touched(const Napi::CallbackInfo& info) {
  auto cache = *info[0].As<CacheHandle>().Data();
  return Napi::Boolean::New(info.Env(), cache->TestAndClearTouched(U32(info[1])));
}

// The next read of this slot tells the worker (RequestKind::kAhead), once, without waiting.
void SetTrigger(const Napi::CallbackInfo& info) {
  auto cache = *info[0].As<CacheHandle>().Data();
  cache->SetTrigger(U32(info[1]));
}

// The children of the interior page in a slot, in key order.
Napi::Value Children(const Napi::CallbackInfo& info) {
  auto cache = *info[0].As<CacheHandle>().Data();
  auto children = BtreeChildren(cache->Data(U32(info[1])), cache->page_size(), U32(info[2]), U32(info[3]));
  return Uint32sOf(info.Env(), children);
}

// The root pages that the leaf of the schema table in a slot names.
Napi::Value Roots(const Napi::CallbackInfo& info) {
  auto cache = *info[0].As<CacheHandle>().Data();
  auto roots = SchemaRoots(cache->Data(U32(info[1])), cache->page_size(), U32(info[2]), U32(info[3]));
  return Uint32sOf(info.Env(), roots);
}

// The entries of the index leaf in a slot: [rowid, fingerprint of the first column] each.
Napi::Value Entries(const Napi::CallbackInfo& info) {
  auto cache = *info[0].As<CacheHandle>().Data();
  auto entries = IndexEntries(cache->Data(U32(info[1])), cache->page_size(), U32(info[2]));
  auto result = Napi::Float64Array::New(info.Env(), entries.size() * 2);
  if (!Made(result)) return result;
  for (size_t i = 0; i < entries.size(); i++) {
    result[i * 2] = entries[i].rowid;
    result[i * 2 + 1] = entries[i].prefix;
  }
  return result;
}

Napi::Value ChildOfTable(const Napi::CallbackInfo& info) {
  auto cache = *info[0].As<CacheHandle>().Data();
  uint32_t child =
      TableChild(cache->Data(U32(info[1])), cache->page_size(), U32(info[2]), info[3].As<Napi::Number>().DoubleValue());
  return Napi::Number::New(info.Env(), child);
}

// --- hydration ---

Napi::Value OpenHydrated(const Napi::CallbackInfo& info) {
  int error = 0;
  auto file = HydratedFile::Open(U32(info[0]), info[1].As<Napi::String>().Utf8Value(), U32(info[2]),
                                 info[3].As<Napi::Boolean>(), &error);
  if (!file) return Napi::Number::New(info.Env(), error);
  return FileHandle::New(info.Env(), new std::shared_ptr<HydratedFile>(std::move(file)),
                         [](Napi::Env, std::shared_ptr<HydratedFile>* data) { delete data; });
}

// The handle's share of the file ends at once and not with garbage collection: the file may be wanted by another replica next.
void CloseHydrated(const Napi::CallbackInfo& info) { info[0].As<FileHandle>().Data()->reset(); }

Napi::Value SharingViews(const Napi::CallbackInfo& info) {
  auto replica = ReplicaArgument(info[0]);
  auto& file = *info[1].As<FileHandle>().Data();
  return Napi::Number::New(info.Env(), replica ? double(replica->Sharing(file.get())) : 0);
}

Napi::Value SharedPages(const Napi::CallbackInfo& info) {
  auto replica = ReplicaArgument(info[0]);
  auto& file = *info[1].As<FileHandle>().Data();
  return Napi::Number::New(info.Env(), replica ? double(replica->SharedPages(file.get())) : 0);
}

Napi::Value ResizeHydrated(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), (*info[0].As<FileHandle>().Data())->Resize(U32(info[1])));
}

// Decodes frames and writes them to their places, on the thread pool: [errno, index of a damaged frame or -1].
class HydrateWork : public Napi::AsyncWorker {
 public:
  HydrateWork(Napi::Env env, std::shared_ptr<HydratedFile> file, Napi::Uint8Array source, Napi::Uint32Array frames)
      : Napi::AsyncWorker(env),
        deferred_(Napi::Promise::Deferred::New(env)),
        file_(std::move(file)),
        keep_source_(Napi::Persistent(source)),
        data_(source.Data()),
        size_(source.ElementLength()),
        frames_(frames.Data(), frames.Data() + frames.ElementLength()) {}
  Napi::Promise promise() const { return deferred_.Promise(); }

  void Execute() override {
    const uint32_t page_size = file_->page_size();
    constexpr uint32_t kBatch = 64;
    std::vector<uint8_t> pages(size_t(kBatch) * page_size);
    uint32_t first = 0, run = 0;
    auto flush = [&] {
      if (run > 0 && errno_ == 0) errno_ = file_->Write(first, pages.data(), run);
      run = 0;
    };
    std::vector<uint8_t> unwanted(page_size);
    for (size_t i = 0; i + 3 < frames_.size() && errno_ == 0; i += 4) {
      uint32_t offset = frames_[i], size = frames_[i + 1], pgno = frames_[i + 2];
      const bool wanted = frames_[i + 3] != 0;
      if (wanted && (run == kBatch || (run > 0 && pgno != first + run))) flush();
      if (wanted && run == 0) first = pgno;
      uint8_t* page = wanted ? pages.data() + size_t(run) * page_size : unwanted.data();
      uint32_t found = 0;
      size_t used;
      bool inside = size_t(offset) + size <= size_;
      if (!inside || DecodeFrame(data_ + offset, size, true, page_size, page, &found, &used) != FrameError::kNone ||
          found != pgno) {
        damaged_ = double(i / 4);
        break;
      }
      crc_ = FrameCrc(crc_, data_ + offset, page, page_size);
      crc_length_ += FramePrefix(data_ + offset) + page_size;
      if (wanted) run++;
    }
    flush();
  }

  void OnOK() override {
    auto result = Napi::Array::New(Env(), 4);
    result[0u] = errno_;
    result[1u] = damaged_;
    result[2u] = Napi::BigInt::New(Env(), crc_);
    result[3u] = double(crc_length_);
    deferred_.Resolve(result);
  }
  void OnError(const Napi::Error& error) override { deferred_.Reject(error.Value()); }

 private:
  Napi::Promise::Deferred deferred_;
  std::shared_ptr<HydratedFile> file_;
  Napi::Reference<Napi::Uint8Array> keep_source_;
  const uint8_t* data_;
  size_t size_;
  std::vector<uint32_t> frames_;
  int errno_ = 0;
  double damaged_ = -1;
  uint64_t crc_ = 0, crc_length_ = 0;  // of the frames as file checksums count them
};

Napi::Value WriteHydrated(const Napi::CallbackInfo& info) {
  auto* work = new HydrateWork(info.Env(), *info[0].As<FileHandle>().Data(), info[1].As<Napi::Uint8Array>(),
                               info[2].As<Napi::Uint32Array>());
  auto promise = work->promise();
  work->Queue();
  return promise;
}

class SyncWork : public Napi::AsyncWorker {
 public:
  SyncWork(Napi::Env env, std::shared_ptr<HydratedFile> file)
      : Napi::AsyncWorker(env), deferred_(Napi::Promise::Deferred::New(env)), file_(std::move(file)) {}
  Napi::Promise promise() const { return deferred_.Promise(); }
  void Execute() override { errno_ = file_->Sync(); }
  void OnOK() override { deferred_.Resolve(Napi::Number::New(Env(), errno_)); }
  void OnError(const Napi::Error& error) override { deferred_.Reject(error.Value()); }

 private:
  Napi::Promise::Deferred deferred_;
  std::shared_ptr<HydratedFile> file_;
  int errno_ = 0;
};

Napi::Value SyncHydrated(const Napi::CallbackInfo& info) {
  auto* work = new SyncWork(info.Env(), *info[0].As<FileHandle>().Data());
  auto promise = work->promise();
  work->Queue();
  return promise;
}

// The file turned out to be damaged: what was taken from it is absent again.
void UnmarkHydrated(const Napi::CallbackInfo& info) {
  auto replica = ReplicaArgument(info[0]);
  View* view = replica ? replica->FindView(U32(info[1])) : nullptr;
  if (view == nullptr) return;
  auto pgnos = info[2].As<Napi::Uint32Array>();
  for (size_t i = 0; i < pgnos.ElementLength(); i++) {
    if (pgnos[i] <= view->commit && view->Lookup(pgnos[i]) == kHydrated) view->Set(pgnos[i], kAbsent);
  }
}

void MarkHydrated(const Napi::CallbackInfo& info) {
  auto replica = ReplicaArgument(info[0]);
  View* view = replica ? replica->FindView(U32(info[1])) : nullptr;
  if (view == nullptr) return;
  auto pgnos = info[2].As<Napi::Uint32Array>();
  for (size_t i = 0; i < pgnos.ElementLength(); i++) {
    if (pgnos[i] <= view->commit) view->Set(pgnos[i], kHydrated);
  }
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
  exports["addView"] = Napi::Function::New(env, AddView);
  exports["publishView"] = Napi::Function::New(env, PublishView);
  exports["retireView"] = Napi::Function::New(env, RetireView);
  exports["collectViews"] = Napi::Function::New(env, CollectViews);
  exports["viewFacts"] = Napi::Function::New(env, GetViewFacts);
  exports["createCache"] = Napi::Function::New(env, CreateCache);
  exports["fillSlots"] = Napi::Function::New(env, FillSlots);
  exports["linkPages"] = Napi::Function::New(env, LinkPages);
  exports["schemaRoots"] = Napi::Function::New(env, Roots);
  exports["touched"] = Napi::Function::New(env, Touched);
  exports["setTrigger"] = Napi::Function::New(env, SetTrigger);
  exports["indexEntries"] = Napi::Function::New(env, Entries);
  exports["tableChild"] = Napi::Function::New(env, ChildOfTable);
  exports["btreeChildren"] = Napi::Function::New(env, Children);
  exports["openHydrated"] = Napi::Function::New(env, OpenHydrated);
  exports["closeHydrated"] = Napi::Function::New(env, CloseHydrated);
  exports["sharingViews"] = Napi::Function::New(env, SharingViews);
  exports["sharedPages"] = Napi::Function::New(env, SharedPages);
  exports["resizeHydrated"] = Napi::Function::New(env, ResizeHydrated);
  exports["writeHydrated"] = Napi::Function::New(env, WriteHydrated);
  exports["syncHydrated"] = Napi::Function::New(env, SyncHydrated);
  exports["unmarkHydrated"] = Napi::Function::New(env, UnmarkHydrated);
  exports["markHydrated"] = Napi::Function::New(env, MarkHydrated);
}

}  // namespace litestream
