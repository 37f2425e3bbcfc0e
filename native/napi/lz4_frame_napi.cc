// Exports a decoder for LZ4 blocks and the hash function xxHash32. The TypeScript code that reads
// LZ4 frames calls lz4Block and xxh32.
#include "ltx/linked_block.h"
#include "napi/arguments.h"
#include "napi/exports.h"

#define XXH_STATIC_LINKING_ONLY
#include <xxhash.h>

namespace litestream {
namespace {

// lz4Block(src, out, offset) decodes the LZ4 block `src` to out[offset...]. The LZ4 block may refer
// to the bytes that precede out[offset]. lz4Block returns the number of decoded bytes, or -1 if the
// LZ4 block is damaged.
Napi::Value Lz4Block(const Napi::CallbackInfo& info) {
  Arguments args(info, "lz4Block");
  const Span<uint8_t> src = args.Bytes(args[0], "src");
  const Span<uint8_t> out = args.Bytes(args[1], "out");
  const uint64_t offset = args.U53(args[2], "offset");
  args.Require(offset <= out.size, "offset lies beyond out");
  if (!args.ok()) return {};
  return Napi::Number::New(info.Env(), DecodeLinkedBlock(src.data, src.size, out.data, out.size, offset));
}

// xxh32(state, undefined) initializes the hash state. xxh32(state, data) adds `data` to the hash
// state. xxh32 returns the digest of all data that was added up to this call.
Napi::Value Xxh32(const Napi::CallbackInfo& info) {
  Arguments args(info, "xxh32");
  const Span<uint8_t> bytes = args.Bytes(args[0], "state", sizeof(XXH32_state_t));
  const bool begin = args[1].IsUndefined();
  const Span<uint8_t> data = begin ? Span<uint8_t>() : args.Bytes(args[1], "data");
  args.Require(reinterpret_cast<uintptr_t>(bytes.data) % alignof(XXH32_state_t) == 0, "state is not aligned");
  if (!args.ok()) return {};
  auto* state = reinterpret_cast<XXH32_state_t*>(bytes.data);
  // XXH32_update copies data to offset `memsize` of a buffer of 16 bytes. JavaScript can write any
  // number into the hash state, so xxh32 checks `memsize`.
  args.Require(begin || state->memsize < sizeof state->mem32, "state was not begun");
  if (!args.ok()) return {};
  if (begin) XXH32_reset(state, 0);
  else XXH32_update(state, data.data, data.size);
  return Napi::Number::New(info.Env(), XXH32_digest(state));
}

}  // namespace

void ExportLz4Frame(Napi::Env env, Napi::Object exports) {
  exports.Set("lz4Block", Napi::Function::New(env, Lz4Block, "lz4Block"));
  exports.Set("xxh32", Napi::Function::New(env, Xxh32, "xxh32"));
}

}  // namespace litestream
