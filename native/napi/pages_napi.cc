// The functions with which the replica worker fills slots, adds pages to views, and reads resident
// b-tree pages. Only the worker thread calls the functions of pages_napi.cc.
#include "ltx/limits.h"
#include "ltx/ltx_codec.h"
#include "napi/constants.h"
#include "napi/exports.h"
#include "napi/worker_napi.h"
#include "replica/bridge.h"
#include "replica/btree.h"

namespace litestream {

namespace {

// createCache(pageSize, slots) returns a handle of a new page cache.
Napi::Value CreateCache(const Napi::CallbackInfo& info) {
  Arguments args(info, "createCache");
  const uint32_t page_size = args.PageSize(args[0]), slots = args.U32(args[1], "slots", 1, kMaxSlots);
  if (!args.ok()) return {};
  return CacheHandle::New(info.Env(), std::make_shared<PageCache>(page_size, slots));
}

// fillSlots(replica, view, cache, source, frames) decodes each frame into the frame's slot and adds
// the decoded page to the view. For each frame, `frames` has the offset in `source`, the encoded
// size, the page number, the slot, and `ahead`. fillSlots replaces the offset of each decoded frame
// by the b-tree type of the page. For a page that was not prefetched, `ahead` is 0. For a
// prefetched page, `ahead` is the kind of prefetch, plus kJoined if a reader already waits for the
// page. Returns the number of decoded frames. If the returned number is less than the number of
// frames, the next frame is damaged.
Napi::Value FillSlots(const Napi::CallbackInfo& info) {
  Arguments args(info, "fillSlots");
  const auto replica = ReplicaArgument(args, args[0]);
  View* view = ViewArgument(args, replica, args[1]);
  const auto cache = args.Open<PageCache>(args[2], "cache");
  const Span<uint8_t> source = args.Bytes(args[3], "source");
  const Span<uint32_t> frames = args.U32s(args[4], "frames");
  args.Require(view == nullptr || view->cache == cache, "the view has another cache");
  const size_t count = frames.size / kFrameFields;
  for (size_t i = 0; args.ok() && i < count; i++) {
    args.Require(frames[i * kFrameFields + 3] < cache->slots(), "there is no such slot");
  }
  if (!args.ok()) return {};
  for (size_t i = 0; i < count; i++) {
    uint32_t* frame = &frames[i * kFrameFields];
    const uint32_t offset = frame[0], size = frame[1], pgno = frame[2], slot = frame[3], ahead = frame[4];
    if (!Inside(offset, size, source.size)) return Napi::Number::New(info.Env(), double(i));
    const uint8_t unread = cache->Invalidate(slot);
    if (replica) {
      replica->CountAhead(unread, &AheadCounts::wasted);
      replica->AwaitReaders(slot);
    }
    uint32_t found;
    size_t used;
    const FrameError error =
        DecodeFrame(source.data + offset, size, true, cache->page_size(), cache->Writable(slot), &found, &used);
    if (error != FrameError::kNone || found != pgno) return Napi::Number::New(info.Env(), double(i));
    frame[0] = BtreePageType(cache->Data(slot), cache->page_size(), pgno);
    const uint8_t kind = uint8_t(ahead & ~kJoined);
    if (replica && kind <= kAheadKindCount) {
      replica->CountAhead(kind, &AheadCounts::brought);
      if (ahead & kJoined) replica->CountAhead(kind, &AheadCounts::used);
      else cache->SetAhead(slot, kind);
    }
    if (view != nullptr) view->Set(pgno, cache->Entry(slot));
  }
  return Napi::Number::New(info.Env(), double(count));
}

// answerPage(request, replica, view, pgno, cache, slot) adds the page in `slot` to the view of the
// waiting reader. answerPage then copies the requested part of the page to the reader, and wakes
// the reader. The caller guarantees that the slot has the content of page `pgno` in the view.
Napi::Value AnswerPage(const Napi::CallbackInfo& info) {
  Arguments args(info, "answerPage");
  const uint32_t request = args.U32(args[0], "request");
  const auto replica = ReplicaArgument(args, args[1]);
  View* view = ViewArgument(args, replica, args[2]);
  const uint32_t pgno = args.U32(args[3], "pgno");
  const auto cache = args.Open<PageCache>(args[4], "cache");
  const uint32_t slot = SlotArgument(args, cache, args[5]);
  args.Require(view == nullptr || view->cache == cache, "the view has another cache");
  if (!args.ok()) return {};
  if (view != nullptr) {
    view->Set(pgno, cache->Entry(slot));
    replica->CountAhead(cache->TakeAhead(slot), &AheadCounts::used);
  }
  args.Require(Bridge::Get().CompletePage(request, cache->Data(slot), cache->page_size()), "the page is too short");
  return {};
}

// touched(cache, slot) returns whether a reader has read the slot since the previous call of
// touched().
Napi::Value Touched(const Napi::CallbackInfo& info) {
  Arguments args(info, "touched");
  const auto cache = args.Open<PageCache>(args[0], "cache");
  const uint32_t slot = SlotArgument(args, cache, args[1]);
  if (!args.ok()) return {};
  return Napi::Boolean::New(info.Env(), cache->TestAndClearTouched(slot));
}

// setTrigger(cache, slot) marks a slot. When a connection next reads a marked slot, it sends one
// kAhead request to the worker, and does not wait for a response.
Napi::Value SetTrigger(const Napi::CallbackInfo& info) {
  Arguments args(info, "setTrigger");
  const auto cache = args.Open<PageCache>(args[0], "cache");
  const uint32_t slot = SlotArgument(args, cache, args[1]);
  if (args.ok()) cache->SetTrigger(slot);
  return {};
}

// Reads the arguments cache, slot and pgno, which every exported function that parses a b-tree page
// has.
struct PageArguments {
  PageArguments(const Napi::CallbackInfo& info, const char* function)
      : args(info, function),
        cache(args.Open<PageCache>(args[0], "cache")),
        slot(SlotArgument(args, cache, args[1])),
        pgno(args.U32(args[2], "pgno", 1)) {}
  const uint8_t* data() const { return cache->Data(slot); }
  uint32_t page_size() const { return cache->page_size(); }

  Arguments args;
  const std::shared_ptr<PageCache> cache;
  const uint32_t slot;
  const uint32_t pgno;
};

// Returns the page numbers of the child pages of the interior page in a slot, in key order.
Napi::Value Children(const Napi::CallbackInfo& info) {
  PageArguments page(info, "btreeChildren");
  const uint32_t commit = page.args.Commit(page.args[3]);
  if (!page.args.ok()) return {};
  return ArrayOf<Napi::Uint32Array>(info.Env(), BtreeChildren(page.data(), page.page_size(), page.pgno, commit));
}

// Returns the numbers of the root pages in the rows of the schema table leaf in a slot.
Napi::Value Roots(const Napi::CallbackInfo& info) {
  PageArguments page(info, "schemaRoots");
  const uint32_t commit = page.args.Commit(page.args[3]);
  if (!page.args.ok()) return {};
  return ArrayOf<Napi::Uint32Array>(info.Env(), SchemaRoots(page.data(), page.page_size(), page.pgno, commit));
}

// Returns [rowid, fingerprint of the first column] for each entry of an index leaf in a slot.
Napi::Value Entries(const Napi::CallbackInfo& info) {
  PageArguments page(info, "indexEntries");
  if (!page.args.ok()) return {};
  std::vector<double> values;
  for (const IndexEntry& entry : IndexEntries(page.data(), page.page_size(), page.pgno)) {
    values.push_back(entry.rowid);
    values.push_back(entry.prefix);
  }
  return ArrayOf<Napi::Float64Array>(info.Env(), values);
}

// Returns the values of the first columns of a row on the table leaf in a slot. For a column whose
// value is not an integer, the result has NaN.
Napi::Value IntegersOfRow(const Napi::CallbackInfo& info) {
  PageArguments page(info, "rowIntegers");
  const double rowid = page.args.AnyDouble(page.args[3], "rowid");
  if (!page.args.ok()) return {};
  return ArrayOf<Napi::Float64Array>(info.Env(), RowIntegers(page.data(), page.page_size(), page.pgno, rowid));
}

// Returns the number of the child page to which a search for a rowid descends from the table
// interior page in a slot.
Napi::Value ChildOfTable(const Napi::CallbackInfo& info) {
  PageArguments page(info, "tableChild");
  const double rowid = page.args.AnyDouble(page.args[3], "rowid");
  if (!page.args.ok()) return {};
  return Napi::Number::New(info.Env(), TableChild(page.data(), page.page_size(), page.pgno, rowid));
}

}  // namespace

void ExportPages(Napi::Env env, Napi::Object exports) {
  exports["createCache"] = Napi::Function::New(env, CreateCache);
  exports["fillSlots"] = Napi::Function::New(env, FillSlots);
  exports["answerPage"] = Napi::Function::New(env, AnswerPage);
  exports["schemaRoots"] = Napi::Function::New(env, Roots);
  exports["touched"] = Napi::Function::New(env, Touched);
  exports["setTrigger"] = Napi::Function::New(env, SetTrigger);
  exports["indexEntries"] = Napi::Function::New(env, Entries);
  exports["rowIntegers"] = Napi::Function::New(env, IntegersOfRow);
  exports["tableChild"] = Napi::Function::New(env, ChildOfTable);
  exports["btreeChildren"] = Napi::Function::New(env, Children);
}

}  // namespace litestream
