// Decodes a page index for TypeScript. decodePageIndex returns the index entries in arrays, whereas
// mapPageIndex writes them into chunks of a page map (src/replica/worker/chain/page-map.ts).
#include <algorithm>
#include <cmath>
#include <vector>

#include "ltx/page_index.h"
#include "napi/constants.h"
#include "napi/exports.h"
#include "napi/worker_napi.h"
#include "replica/replica.h"

namespace litestream {
namespace {

// Reads an IndexState from the Float64Array `slots`. JavaScript can write any number into `slots`,
// so Load checks every number.
IndexState Load(Arguments& args, const Span<double>& slots) {
  const auto whole = [&](IndexSlot slot, double min, double max) {
    const double number = slots.size < kSlots ? NAN : slots[slot];
    const bool fits = number >= min && number <= max && std::trunc(number) == number;
    args.Require(fits, "the state is none of a page index");
    return fits ? number : min;
  };
  const uint32_t page_size = uint32_t(whole(kPageSize, kMinPageSize, kMaxPageSize));
  args.Require(IsPageSize(page_size), "the state is none of a page index");
  IndexState state(IndexRules(page_size, uint32_t(whole(kCommit, 1, kMaxCommit)), uint32_t(whole(kCompleteFrom, 0, kMaxCommit))));
  state.file_offset = uint64_t(whole(kFileOffset, 0, kMaxSafeInteger));
  state.at = uint64_t(whole(kAt, 0, kMaxSafeInteger));
  state.entry = uint64_t(whole(kEntry, 0, kMaxSafeInteger));
  state.value = uint64_t(whole(kValue, 0, kMaxIndexNumber));
  state.shift = uint32_t(whole(kShift, 0, kMaxShift));
  state.field = uint32_t(whole(kField, 0, 2));
  state.pgno = uint32_t(whole(kPgno, 0, UINT32_MAX));
  state.offset = uint64_t(whole(kOffset, 0, kMaxIndexNumber));
  state.end = uint64_t(whole(kEnd, 0, kMaxSafeInteger));
  state.count = uint64_t(whole(kCount, 0, kMaxSafeInteger));
  args.Require(state.end <= state.file_offset, "the state is none of a page index");
  if (!args.ok()) return state;
  state.ended = slots[kEnded] != 0;
  return state;
}

void Save(const IndexState& state, IndexFault fault, const Span<double>& slots) {
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

// decodePageIndex(state, bytes) decodes the next `bytes` of a page index. Returns three arrays
// [pgnos, offsets, sizes] with one element per entry.
Napi::Value DecodePageIndex(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Arguments args(info, "decodePageIndex");
  const Span<double> slots = args.Doubles(args[0], "state", kSlots);
  const Span<uint8_t> bytes = args.Bytes(args[1], "bytes");
  IndexState state = Load(args, slots);
  if (!args.ok()) return {};
  std::vector<uint32_t> pgnos, sizes;
  std::vector<double> offsets;
  // An index entry has three uvarints. In a uvarint, only the last byte has a value less than 0x80.
  // The number of entries is a third of the number of bytes whose value is less than 0x80. Without
  // reserve(), the vectors of a large index would take three times the memory.
  const size_t numbers = size_t(std::count_if(bytes.begin(), bytes.end(), [](uint8_t byte) { return byte < 0x80; }));
  pgnos.reserve(numbers / 3);
  offsets.reserve(numbers / 3);
  sizes.reserve(numbers / 3);
  const IndexFault fault = ReadIndex(state, bytes.data, bytes.size, [&](uint32_t pgno, uint64_t offset, uint32_t size) {
    pgnos.push_back(pgno);
    offsets.push_back(double(offset));
    sizes.push_back(size);
    return true;
  });
  Save(state, fault, slots);
  auto result = Napi::Array::New(env, 3);
  result.Set(uint32_t(0), ArrayOf<Napi::Uint32Array>(env, pgnos));
  std::vector<uint32_t>().swap(pgnos);
  result.Set(1, ArrayOf<Napi::Float64Array>(env, offsets));
  std::vector<double>().swap(offsets);
  result.Set(2, ArrayOf<Napi::Uint32Array>(env, sizes));
  return result;
}

// For each page, a chunk of a page map has three words of 32 bits
// (src/replica/worker/chain/page-map.ts). The words are the low half of the frame's file offset,
// the high bits of this offset together with the frame's encoded size, and the ordinal of the LTX
// file.
constexpr size_t kChunkBytes = 3 * kChunkPages * sizeof(uint32_t);
constexpr uint64_t kMaxFrameSize = (1u << kSizeBits) - 1, kMaxFrameOffset = (uint64_t(1) << (64 - kSizeBits)) - 1;

// Writes the index entries of one LTX file into a page map.
class ChunkWriter {
 public:
  ChunkWriter(Arguments& args, uint32_t file, const Napi::Function& own) : args_(args), file_(file), own_(own) {}

  // Returns false if the callback `own` threw an exception or returned no chunk, or if the worker
  // was terminated during the call of `own`.
  bool Put(uint32_t pgno, uint64_t offset, uint32_t size) {
    const uint32_t chunk = (pgno - 1) / kChunkPages, i = (pgno - 1) % kChunkPages;
    // The calls of Put have ascending page numbers, so Put requests each chunk only once.
    if (!words_ || chunk != chunk_) {
      const Napi::HandleScope scope(own_.Env());
      const Napi::Value buffer = own_.Call({Napi::Number::New(own_.Env(), chunk)});
      if (!Made(buffer) || own_.Env().IsExceptionPending()) return false;
      const Span<uint8_t> room = args_.Buffer(buffer, "chunk", kChunkBytes);
      if (!args_.ok()) return false;
      words_ = reinterpret_cast<uint32_t*>(room.data);
      chunk_ = chunk;
    }
    words_[i] = uint32_t(offset);
    words_[kChunkPages + i] = (uint32_t(offset >> 32) << kSizeBits) | size;
    words_[2 * kChunkPages + i] = file_;
    return true;
  }

 private:
  Arguments& args_;
  const uint32_t file_;
  const Napi::Function own_;
  uint32_t* words_ = nullptr;
  uint32_t chunk_ = 0;
};

// mapPageIndex(state, bytes, file, own, pieces, collect) returns [frames, pgnos]. The callback
// own(chunk) returns the writable ArrayBuffer of the page map's chunk with the number `chunk`. For
// each byte range of the LTX file that is in memory, `pieces` has the offsets at which the range
// begins and ends. For each frame that lies within one of these byte ranges, `frames` has the page
// number, the file offset and the encoded size. If `collect` is true, `pgnos` has the page numbers
// of all entries in `bytes`. If `collect` is false, `pgnos` is empty.
Napi::Value MapPageIndex(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Arguments args(info, "mapPageIndex");
  const Span<double> slots = args.Doubles(args[0], "state", kSlots);
  const Span<uint8_t> bytes = args.Bytes(args[1], "bytes");
  const uint32_t file = args.U32(args[2], "file");
  const Napi::Function own = args.Function(args[3], "own");
  const Span<double> pieces = args.Doubles(args[4], "pieces");
  const bool collect = args.Bool(args[5], "collect");
  IndexState state = Load(args, slots);
  if (!args.ok()) return {};
  ChunkWriter writer(args, file, own);
  std::vector<double> frames;
  std::vector<uint32_t> pgnos;
  bool threw = false;
  const IndexFault fault =
      ReadIndex(state, bytes.data, bytes.size, [&](uint32_t pgno, uint64_t offset, uint32_t size) {
        if (size > kMaxFrameSize || offset > kMaxFrameOffset) return false;
        threw = !writer.Put(pgno, offset, size);
        if (threw) return false;
        if (collect) pgnos.push_back(pgno);
        for (size_t i = 0; i + 1 < pieces.size; i += 2) {
          if (double(offset) < pieces[i] || double(offset + size) > pieces[i + 1]) continue;
          frames.insert(frames.end(), {double(pgno), double(offset), double(size)});
          break;
        }
        return true;
      });
  if (threw) return env.Undefined();
  Save(state, fault, slots);
  auto result = Napi::Array::New(env, 2);
  result.Set(uint32_t(0), ArrayOf<Napi::Float64Array>(env, frames));
  result.Set(1, ArrayOf<Napi::Uint32Array>(env, pgnos));
  return result;
}

// endPageIndex(state) calls EndIndex, after all bytes of the page index were decoded.
Napi::Value EndPageIndex(const Napi::CallbackInfo& info) {
  Arguments args(info, "endPageIndex");
  const Span<double> slots = args.Doubles(args[0], "state", kSlots);
  IndexState state = Load(args, slots);
  if (!args.ok()) return {};
  const IndexFault fault = EndIndex(state);
  Save(state, fault, slots);
  return {};
}

}  // namespace

void ExportPageIndex(Napi::Env env, Napi::Object exports) {
  exports.Set("decodePageIndex", Napi::Function::New(env, DecodePageIndex, "decodePageIndex"));
  exports.Set("endPageIndex", Napi::Function::New(env, EndPageIndex, "endPageIndex"));
  exports.Set("mapPageIndex", Napi::Function::New(env, MapPageIndex, "mapPageIndex"));
}

}  // namespace litestream
