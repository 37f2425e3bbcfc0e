// The page index for TypeScript: decoded into arrays, or straight into the chunks of a page map (src/replica/worker/chain/page-map.ts).
#include <vector>

#include "napi/exports.h"
#include "ltx/page_index.h"
#include "replica/replica.h"
#include "napi/worker_napi.h"

namespace litestream {
namespace {

// Slots of the state that TypeScript keeps between calls; src/ltx/page-index.ts names those that it reads.
enum Slot {
  kFault, kAt, kEntry, kValue, kPgno, kOffset, kEnded, kCount, kFileOffset, kShift, kField, kEnd, kPageSize, kCommit, kCompleteFrom
};

IndexState Load(const double* slots) {
  const IndexRules rules{uint32_t(slots[kPageSize]), uint32_t(slots[kCommit]), uint32_t(slots[kCompleteFrom])};
  IndexState state(rules);
  state.file_offset = uint64_t(slots[kFileOffset]);
  state.at = uint64_t(slots[kAt]);
  state.entry = uint64_t(slots[kEntry]);
  state.value = uint64_t(slots[kValue]);
  state.shift = uint32_t(slots[kShift]);
  state.field = uint32_t(slots[kField]);
  state.pgno = uint32_t(slots[kPgno]);
  state.offset = uint64_t(slots[kOffset]);
  state.end = uint64_t(slots[kEnd]);
  state.count = uint64_t(slots[kCount]);
  state.ended = slots[kEnded] != 0;
  return state;
}

void Save(const IndexState& state, IndexFault fault, double* slots) {
  slots[kFault] = double(fault);
  slots[kAt] = double(state.at);
  slots[kEntry] = double(state.entry);
  slots[kValue] = double(state.value);
  slots[kShift] = state.shift;
  slots[kField] = state.field;
  slots[kPgno] = state.pgno;
  slots[kOffset] = double(state.offset);
  slots[kEnd] = double(state.end);
  slots[kCount] = double(state.count);
  slots[kEnded] = state.ended ? 1 : 0;
}

// decodePageIndex(state, bytes): [pgnos, offsets, sizes]
Napi::Value DecodePageIndex(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  double* slots = info[0].As<Napi::Float64Array>().Data();
  const auto bytes = info[1].As<Napi::Uint8Array>();
  std::vector<uint32_t> pgnos, sizes;
  std::vector<double> offsets;
  IndexState state = Load(slots);
  const IndexFault fault =
      ReadIndex(state, bytes.Data(), bytes.ByteLength(), [&](uint32_t pgno, uint64_t offset, uint32_t size) {
        pgnos.push_back(pgno);
        offsets.push_back(double(offset));
        sizes.push_back(size);
        return true;
      });
  Save(state, fault, slots);
  auto result = Napi::Array::New(env, 3);
  result.Set(uint32_t(0), ArrayOf<Napi::Uint32Array>(env, pgnos));
  result.Set(1, ArrayOf<Napi::Float64Array>(env, offsets));
  result.Set(2, ArrayOf<Napi::Uint32Array>(env, sizes));
  return result;
}

// As in src/replica/worker/chain/page-map.ts: a chunk has the low halves of the offsets, then what is left of them beside the sizes, then
// the file ordinals.
constexpr uint32_t kSizeBits = 18;
constexpr uint64_t kMaxFrameSize = (1u << kSizeBits) - 1, kMaxFrameOffset = (uint64_t(1) << (64 - kSizeBits)) - 1;

// Where pages of one file go in a page map.
class ChunkWriter {
 public:
  ChunkWriter(uint32_t file, const Napi::Function& own) : file_(file), own_(own) {}

  // False when asking for the chunk threw, or the worker was ended in there.
  bool Put(uint32_t pgno, uint64_t offset, uint32_t size) {
    const uint32_t chunk = (pgno - 1) / kChunkPages, i = (pgno - 1) % kChunkPages;
    // Pages come in ascending order: the chunk is asked for once for all of its pages.
    if (!words_ || chunk != chunk_) {
      const Napi::HandleScope scope(own_.Env());
      const Napi::Value buffer = own_.Call({Napi::Number::New(own_.Env(), chunk)});
      if (!Made(buffer) || own_.Env().IsExceptionPending()) return false;
      words_ = static_cast<uint32_t*>(buffer.As<Napi::ArrayBuffer>().Data());
      chunk_ = chunk;
    }
    words_[i] = uint32_t(offset);
    words_[kChunkPages + i] = (uint32_t(offset >> 32) << kSizeBits) | size;
    words_[2 * kChunkPages + i] = file_;
    return true;
  }

 private:
  const uint32_t file_;
  const Napi::Function own_;
  uint32_t* words_ = nullptr;
  uint32_t chunk_ = 0;
};

// mapPageIndex(state, bytes, file, own, pieces, collect): [came, pgnos]
//   own(chunk): the ArrayBuffer of a chunk that may be written
//   pieces: begin and end of each part of the file that is here
//   came: page number, offset and size of each frame in one of these
//   pgnos: every page number, if `collect`
Napi::Value MapPageIndex(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  double* slots = info[0].As<Napi::Float64Array>().Data();
  const auto bytes = info[1].As<Napi::Uint8Array>();
  ChunkWriter writer(info[2].As<Napi::Number>().Uint32Value(), info[3].As<Napi::Function>());
  const auto pieces = info[4].As<Napi::Float64Array>();
  const bool collect = info[5].As<Napi::Boolean>();
  std::vector<double> came;
  std::vector<uint32_t> pgnos;
  bool threw = false;
  IndexState state = Load(slots);
  const IndexFault fault =
      ReadIndex(state, bytes.Data(), bytes.ByteLength(), [&](uint32_t pgno, uint64_t offset, uint32_t size) {
        if (size > kMaxFrameSize || offset > kMaxFrameOffset) return false;
        threw = !writer.Put(pgno, offset, size);
        if (threw) return false;
        if (collect) pgnos.push_back(pgno);
        for (size_t i = 0; i + 1 < pieces.ElementLength(); i += 2) {
          if (double(offset) < pieces.Data()[i] || double(offset + size) > pieces.Data()[i + 1]) continue;
          came.insert(came.end(), {double(pgno), double(offset), double(size)});
          break;
        }
        return true;
      });
  if (threw) return env.Undefined();
  Save(state, fault, slots);
  auto result = Napi::Array::New(env, 2);
  result.Set(uint32_t(0), ArrayOf<Napi::Float64Array>(env, came));
  result.Set(1, ArrayOf<Napi::Uint32Array>(env, pgnos));
  return result;
}

// endPageIndex(state): checks what can be checked only once all bytes were read.
void EndPageIndex(const Napi::CallbackInfo& info) {
  double* slots = info[0].As<Napi::Float64Array>().Data();
  IndexState state = Load(slots);
  const IndexFault fault = EndIndex(state);
  Save(state, fault, slots);
}

}  // namespace

void ExportPageIndex(Napi::Env env, Napi::Object exports) {
  exports.Set("decodePageIndex", Napi::Function::New(env, DecodePageIndex, "decodePageIndex"));
  exports.Set("endPageIndex", Napi::Function::New(env, EndPageIndex, "endPageIndex"));
  exports.Set("mapPageIndex", Napi::Function::New(env, MapPageIndex, "mapPageIndex"));
}

}  // namespace litestream
