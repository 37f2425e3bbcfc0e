// The codec's batch calls. One call takes as many pages as its buffers hold. Arguments are checked in TypeScript.
#include <cassert>

#include "napi/exports.h"
#include "ltx/ltx_codec.h"

namespace litestream {
namespace {

using Bytes = Napi::Uint8Array;

Napi::Value CombineCrc64Call(const Napi::CallbackInfo& info) {
  bool lossless = true;
  const uint64_t a = info[0].As<Napi::BigInt>().Uint64Value(&lossless), b = info[1].As<Napi::BigInt>().Uint64Value(&lossless);
  return Napi::BigInt::New(info.Env(), CombineCrc64(a, b, uint64_t(info[2].As<Napi::Number>().Int64Value())));
}

Napi::Value Crc64Call(const Napi::CallbackInfo& info) {
  bool lossless = true;
  const uint64_t crc = info[0].As<Napi::BigInt>().Uint64Value(&lossless);
  const Bytes data = info[1].As<Bytes>();
  const bool portable = info[2].IsBoolean() && info[2].As<Napi::Boolean>().Value();
  const auto update = portable ? Crc64Portable : Crc64;
  return Napi::BigInt::New(info.Env(), update(crc, data.Data(), data.ByteLength()));
}

// encodeFrames(state, pageSize, pgnos, pages, out, sizes): bytes written
Napi::Value EncodeFrames(const Napi::CallbackInfo& info) {
  uint64_t* state = info[0].As<Napi::BigUint64Array>().Data();
  const uint32_t page_size = info[1].As<Napi::Number>().Uint32Value();
  const Napi::Uint32Array pgnos = info[2].As<Napi::Uint32Array>();
  const Bytes pages = info[3].As<Bytes>();
  Bytes out = info[4].As<Bytes>();
  uint32_t* sizes = info[5].As<Napi::Uint32Array>().Data();
  const size_t count = pgnos.ElementLength();
  assert(pages.ByteLength() >= count * page_size && out.ByteLength() >= count * MaxFrameSize(page_size));
  FrameEncoder encoder;
  uint8_t* dst = out.Data();
  for (size_t i = 0; i < count; i++) {
    const uint8_t* page = pages.Data() + i * page_size;
    const size_t n = encoder.Encode(pgnos[i], page, page_size, dst);
    state[0] = FrameCrc(state[0], dst, page, page_size);
    sizes[i] = uint32_t(n);
    dst += n;
  }
  return Napi::Number::New(info.Env(), double(dst - out.Data()));
}

// decodeFrames(state, pageSize, input, pgnos, sizes, pages, sumPages, result): 0 more may follow, 1 end marker, 2+ FrameError + 1
Napi::Value DecodeFrames(const Napi::CallbackInfo& info) {
  uint64_t* state = info[0].As<Napi::BigUint64Array>().Data();
  const uint32_t page_size = info[1].As<Napi::Number>().Uint32Value();
  const Bytes input = info[2].As<Bytes>();
  Napi::Uint32Array pgnos = info[3].As<Napi::Uint32Array>();
  uint32_t* sizes = info[4].As<Napi::Uint32Array>().Data();
  Bytes pages = info[5].As<Bytes>();
  const bool sum_pages = info[6].As<Napi::Boolean>().Value();
  double* result = info[7].As<Napi::Float64Array>().Data();
  const size_t capacity = pgnos.ElementLength();
  assert(pages.ByteLength() >= capacity * page_size);
  const uint8_t* src = input.Data();
  size_t left = input.ByteLength();
  size_t count = 0;
  int status = 0;
  while (count < capacity && left >= kPageHeaderSize) {
    if (ReadU32(src) == 0 && src[4] == 0 && src[5] == 0) {
      status = 1;
      break;
    }
    uint8_t* page = pages.Data() + count * page_size;
    uint32_t pgno = 0;
    size_t used = 0;
    const FrameError error = DecodeFrame(src, left, false, page_size, page, &pgno, &used);
    if (error == FrameError::kTruncated) break;
    if (error != FrameError::kNone) {
      status = int(error) + 1;
      break;
    }
    state[0] = FrameCrc(state[0], src, page, page_size);
    if (sum_pages) state[1] ^= PageChecksum(pgno, page, page_size);
    pgnos.Data()[count] = pgno;
    sizes[count] = uint32_t(used);
    src += used;
    left -= used;
    count++;
  }
  result[0] = double(count);
  result[1] = double(src - input.Data());
  return Napi::Number::New(info.Env(), status);
}

// sumPages(pageSize, pgnos, pages): xor of the page checksums
Napi::Value SumPages(const Napi::CallbackInfo& info) {
  const uint32_t page_size = info[0].As<Napi::Number>().Uint32Value();
  const Napi::Uint32Array pgnos = info[1].As<Napi::Uint32Array>();
  const Bytes pages = info[2].As<Bytes>();
  assert(pages.ByteLength() >= pgnos.ElementLength() * page_size);
  uint64_t sum = 0;
  for (size_t i = 0; i < pgnos.ElementLength(); i++) sum ^= PageChecksum(pgnos[i], pages.Data() + i * page_size, page_size);
  return Napi::BigInt::New(info.Env(), sum);
}

}  // namespace

void ExportLtxCodec(Napi::Env env, Napi::Object exports) {
  exports.Set("combineCrc64", Napi::Function::New(env, CombineCrc64Call, "combineCrc64"));
  exports.Set("crc64", Napi::Function::New(env, Crc64Call, "crc64"));
  exports.Set("encodeFrames", Napi::Function::New(env, EncodeFrames, "encodeFrames"));
  exports.Set("decodeFrames", Napi::Function::New(env, DecodeFrames, "decodeFrames"));
  exports.Set("sumPages", Napi::Function::New(env, SumPages, "sumPages"));
}

}  // namespace litestream
