// The parts of LZ4's frame format that JavaScript leaves to C: blocks and xxHash32. Arguments are checked in TypeScript.
#include <cassert>

#include "napi/exports.h"

#define XXH_STATIC_LINKING_ONLY
#include <lz4.h>
#include <xxhash.h>

namespace litestream {
namespace {

// lz4Block(src, out, offset): decodes a block to out[offset…], to whose left the bytes lie that it may refer to. Returns its
// size, or -1.
Napi::Value Lz4Block(const Napi::CallbackInfo& info) {
  const Napi::Uint8Array src = info[0].As<Napi::Uint8Array>();
  Napi::Uint8Array out = info[1].As<Napi::Uint8Array>();
  const size_t offset = info[2].As<Napi::Number>().Uint32Value();
  assert(offset <= out.ByteLength());
  const int n = LZ4_decompress_safe_usingDict(
      reinterpret_cast<const char*>(src.Data()), reinterpret_cast<char*>(out.Data() + offset), int(src.ByteLength()),
      int(out.ByteLength() - offset), reinterpret_cast<const char*>(out.Data()), int(offset));
  return Napi::Number::New(info.Env(), n < 0 ? -1 : n);
}

// xxh32(state, data | undefined): begins a state (no data) or takes data into it; returns the digest so far.
Napi::Value Xxh32(const Napi::CallbackInfo& info) {
  Napi::Uint8Array bytes = info[0].As<Napi::Uint8Array>();
  assert(bytes.ByteLength() >= sizeof(XXH32_state_t));
  auto* state = reinterpret_cast<XXH32_state_t*>(bytes.Data());
  if (info[1].IsUndefined()) {
    XXH32_reset(state, 0);
  } else {
    const Napi::Uint8Array data = info[1].As<Napi::Uint8Array>();
    XXH32_update(state, data.Data(), data.ByteLength());
  }
  return Napi::Number::New(info.Env(), XXH32_digest(state));
}

}  // namespace

void ExportLz4Frame(Napi::Env env, Napi::Object exports) {
  exports.Set("lz4Block", Napi::Function::New(env, Lz4Block, "lz4Block"));
  exports.Set("xxh32", Napi::Function::New(env, Xxh32, "xxh32"));
}

}  // namespace litestream
