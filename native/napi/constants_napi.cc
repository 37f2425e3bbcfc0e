// Exports the object `constants`, which has every native constant that TypeScript needs. The type
// of `constants` is in src/native/constants.ts.
#include <initializer_list>

#include "ltx/frame_merger.h"
#include "ltx/page_index.h"
#include "napi/constants.h"
#include "napi/exports.h"
#include "replica/bridge.h"
#include "vfs/replica_uri.h"

namespace litestream {
namespace {

template <typename T>
struct Named {
  const char* name;
  T value;
};

template <typename T>
Napi::Object Numbers(Napi::Env env, std::initializer_list<Named<T>> values) {
  Napi::Object object = Napi::Object::New(env);
  for (const auto& each : values) object[each.name] = Napi::Number::New(env, double(each.value));
  return object;
}

// Returns an object that maps error numbers to error texts.
Napi::Object Texts(Napi::Env env, std::initializer_list<Named<int>> values) {
  Napi::Object object = Napi::Object::New(env);
  for (const auto& each : values) object[uint32_t(each.value)] = Napi::String::New(env, each.name);
  return object;
}

}  // namespace

void ExportConstants(Napi::Env env, Napi::Object exports) {
  Napi::Object all = Napi::Object::New(env);
  exports["constants"] = all;
  all["request"] = Numbers<RequestKind>(env, {{"open", RequestKind::kOpen},
                                              {"page", RequestKind::kPage},
                                              {"travel", RequestKind::kTravel},
                                              {"close", RequestKind::kClose},
                                              {"call", RequestKind::kCall},
                                              {"ahead", RequestKind::kAhead},
                                              {"begin", RequestKind::kBegin},
                                              {"commit", RequestKind::kCommit},
                                              {"flush", RequestKind::kFlush}});
  all["state"] = Numbers<ReplicaState>(env, {{"opening", ReplicaState::kOpening},
                                             {"live", ReplicaState::kLive},
                                             {"stale", ReplicaState::kStale},
                                             {"orphaned", ReplicaState::kOrphaned},
                                             {"closed", ReplicaState::kClosed}});
  all["durability"] = Numbers<Durability>(
      env, {{"default", Durability::kDefault}, {"store", Durability::kStore}, {"local", Durability::kLocal}});
  all["merge"] = Numbers<MergeStatus>(env, {{"done", MergeStatus::kDone},
                                            {"outputFull", MergeStatus::kOutputFull},
                                            {"needInput", MergeStatus::kNeedInput},
                                            {"fault", MergeStatus::kFault},
                                            {"incomplete", MergeStatus::kIncomplete}});
  all["mergeFaults"] = Texts(env, {{"bad page header", int(MergeFault::kBadHeader)},
                                   {"the page does not decompress to one page", int(MergeFault::kBadPayload)},
                                   {"page numbers do not ascend", int(MergeFault::kOrder)},
                                   {"it contains the lock page", int(MergeFault::kLockPage)},
                                   {"a page beyond the end of the database", int(MergeFault::kBeyondCommit)},
                                   {"a page of a snapshot is missing", int(MergeFault::kMissing)}});
  // For a damaged frame, decodeFrames returns the number of the FrameError plus 1.
  all["decode"] = Numbers<int>(env, {{"more", 0}, {"end", 1}});
  all["frameFaults"] = Texts(env, {{"bad page header", int(FrameError::kBadHeader) + 1},
                                   {"the page does not decompress to one page", int(FrameError::kBadPayload) + 1}});
  all["index"] = Numbers<IndexSlot>(env, {{"fault", kFault},
                                          {"at", kAt},
                                          {"entry", kEntry},
                                          {"value", kValue},
                                          {"pgno", kPgno},
                                          {"offset", kOffset},
                                          {"count", kCount},
                                          {"fileOffset", kFileOffset},
                                          {"end", kEnd},
                                          {"pageSize", kPageSize},
                                          {"commit", kCommit},
                                          {"completeFrom", kCompleteFrom},
                                          {"slots", kSlots}});
  all["indexFault"] = Numbers<IndexFault>(env, {{"none", IndexFault::kNone},
                                                {"endsEarly", IndexFault::kEndsEarly},
                                                {"numberTooLarge", IndexFault::kNumberTooLarge},
                                                {"pageOrder", IndexFault::kPageOrder},
                                                {"outsideBlock", IndexFault::kOutsideBlock},
                                                {"notContiguous", IndexFault::kNotContiguous},
                                                {"frameSize", IndexFault::kFrameSize},
                                                {"beyondCommit", IndexFault::kBeyondCommit},
                                                {"lockPage", IndexFault::kLockPage},
                                                {"missing", IndexFault::kMissing},
                                                {"unlisted", IndexFault::kUnlisted},
                                                {"endsBefore", IndexFault::kEndsBefore},
                                                {"frameTooLarge", IndexFault::kFrameTooLarge}});
  all["chunkPages"] = Napi::Number::New(env, kChunkPages);
  all["sizeBits"] = Napi::Number::New(env, kSizeBits);
  all["maxSlots"] = Napi::Number::New(env, kMaxSlots);
  all["frameFields"] = Napi::Number::New(env, kFrameFields);
  all["joined"] = Napi::Number::New(env, kJoined);
  Napi::Array kinds = Napi::Array::New(env);
  for (uint32_t i = 0; i < kAheadKindCount; i++) kinds[i] = Napi::String::New(env, kAheadKinds[i]);
  all["aheadKinds"] = kinds;
  Napi::Array parameters = Napi::Array::New(env);
  for (const ReaderParameter& each : kReaderParameters) {
    Napi::Object parameter = Napi::Object::New(env);
    parameter["name"] = Napi::String::New(env, each.name);
    parameter["needs"] = each.needs == nullptr ? env.Undefined() : Napi::Value(Napi::String::New(env, each.needs));
    parameters[parameters.Length()] = parameter;
  }
  all["readerParameters"] = parameters;
}

}  // namespace litestream
