// How the replica worker fills slots, enters pages into views, and what it reads from b-tree pages that are here. Worker thread only.
#include "replica/btree.h"
#include "napi/exports.h"
#include "ltx/ltx_codec.h"
#include "napi/worker_napi.h"

namespace litestream {

namespace {

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
  return ArrayOf<Napi::Uint32Array>(info.Env(), children);
}

// The root pages that the leaf of the schema table in a slot names.
Napi::Value Roots(const Napi::CallbackInfo& info) {
  auto cache = *info[0].As<CacheHandle>().Data();
  auto roots = SchemaRoots(cache->Data(U32(info[1])), cache->page_size(), U32(info[2]), U32(info[3]));
  return ArrayOf<Napi::Uint32Array>(info.Env(), roots);
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

// The integers among the columns of a row on the table leaf in a slot, NaN for the others.
Napi::Value IntegersOfRow(const Napi::CallbackInfo& info) {
  auto cache = *info[0].As<CacheHandle>().Data();
  auto values =
      RowIntegers(cache->Data(U32(info[1])), cache->page_size(), U32(info[2]), info[3].As<Napi::Number>().DoubleValue());
  return ArrayOf<Napi::Float64Array>(info.Env(), values);
}

Napi::Value ChildOfTable(const Napi::CallbackInfo& info) {
  auto cache = *info[0].As<CacheHandle>().Data();
  uint32_t child =
      TableChild(cache->Data(U32(info[1])), cache->page_size(), U32(info[2]), info[3].As<Napi::Number>().DoubleValue());
  return Napi::Number::New(info.Env(), child);
}

}  // namespace

void ExportPages(Napi::Env env, Napi::Object exports) {
  exports["createCache"] = Napi::Function::New(env, CreateCache);
  exports["fillSlots"] = Napi::Function::New(env, FillSlots);
  exports["linkPages"] = Napi::Function::New(env, LinkPages);
  exports["schemaRoots"] = Napi::Function::New(env, Roots);
  exports["touched"] = Napi::Function::New(env, Touched);
  exports["setTrigger"] = Napi::Function::New(env, SetTrigger);
  exports["indexEntries"] = Napi::Function::New(env, Entries);
  exports["rowIntegers"] = Napi::Function::New(env, IntegersOfRow);
  exports["tableChild"] = Napi::Function::New(env, ChildOfTable);
  exports["btreeChildren"] = Napi::Function::New(env, Children);
}

}  // namespace litestream
