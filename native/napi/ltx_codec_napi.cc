// Exports the LTX codec to JavaScript. One call encodes or decodes all pages for which the caller's
// buffers have room.
#include "ltx/frame_batch.h"
#include "napi/arguments.h"
#include "napi/deferred.h"
#include "napi/exports.h"

namespace litestream {
namespace {

Napi::Value CombineCrc64Call(const Napi::CallbackInfo& info) {
  Arguments args(info, "combineCrc64");
  const uint64_t a = args.U64(args[0], "a"), b = args.U64(args[1], "b"), length = args.U53(args[2], "length");
  if (!args.ok()) return {};
  return Napi::BigInt::New(info.Env(), CombineCrc64(a, b, length));
}

Napi::Value Crc64Call(const Napi::CallbackInfo& info) {
  Arguments args(info, "crc64");
  const uint64_t crc = args.U64(args[0], "crc");
  const Span<uint8_t> data = args.Bytes(args[1], "data");
  const bool portable = !args[2].IsUndefined() && args.Bool(args[2], "portable");
  if (!args.ok()) return {};
  const auto update = portable ? Crc64Portable : Crc64;
  return Napi::BigInt::New(info.Env(), update(crc, data.data, data.size));
}

// The arguments of a call that encodes pages. `pages` has the page content for each element of
// `pgnos`. `out` has room for the encoded frames, and `sizes` has room for their encoded sizes in
// bytes.
struct EncodeBatch {
  uint32_t page_size;
  Span<uint32_t> pgnos;
  Span<uint8_t> pages, out;
  Span<uint32_t> sizes;

  // Encodes all pages and updates the file checksum *crc. Returns the number of bytes written to
  // `out`.
  size_t Run(uint64_t* crc) const {
    FrameEncoder encoder;
    uint8_t* dst = out.data;
    for (size_t i = 0; i < pgnos.size; i++) {
      const uint8_t* page = pages.data + i * page_size;
      const size_t n = encoder.Encode(pgnos[i], page, page_size, dst);
      *crc = FrameCrc(*crc, dst, page, page_size);
      sizes[i] = uint32_t(n);
      dst += n;
    }
    return size_t(dst - out.data);
  }
};

// Reads the arguments pageSize, pgnos, pages, out and sizes. `first` is the index of the argument
// pageSize.
EncodeBatch EncodeArguments(Arguments& args, size_t first) {
  EncodeBatch batch{};
  batch.page_size = args.PageSize(args[first]);
  batch.pgnos = args.U32s(args[first + 1], "pgnos");
  batch.pages = args.Bytes(args[first + 2], "pages", batch.pgnos.size * batch.page_size);
  batch.out = args.Bytes(args[first + 3], "out", batch.pgnos.size * MaxFrameSize(batch.page_size));
  batch.sizes = args.U32s(args[first + 4], "sizes", batch.pgnos.size);
  return batch;
}

// encodeFrames(state, pageSize, pgnos, pages, out, sizes) encodes pages as frames and updates the
// file checksum in state[0]. Returns the number of bytes written to `out`.
Napi::Value EncodeFrames(const Napi::CallbackInfo& info) {
  Arguments args(info, "encodeFrames");
  const Span<uint64_t> state = args.U64s(args[0], "state", 1);
  const EncodeBatch batch = EncodeArguments(args, 1);
  if (!args.ok()) return {};
  return Napi::Number::New(info.Env(), double(batch.Run(&state[0])));
}

// Encodes pages on the thread pool and resolves a promise with the number of bytes written.
class EncodeWork : public Napi::AsyncWorker {
 public:
  // `batch` and `crc` point into the typed arrays in `arrays`. EncodeWork holds a reference to
  // `arrays`, so that the garbage collector does not free these typed arrays.
  EncodeWork(Napi::Env env, const EncodeBatch& batch, Span<uint64_t> crc, Napi::Array arrays)
      : Napi::AsyncWorker(env), deferred_(env), batch_(batch), crc_(crc), keep_arrays_(Napi::Persistent(arrays)) {}
  Napi::Value promise() const { return deferred_.promise(); }

  void Execute() override { written_ = batch_.Run(&crc_[0]); }
  void OnOK() override { deferred_.Resolve(Napi::Number::New(Env(), double(written_))); }
  void OnError(const Napi::Error& error) override { deferred_.Reject(error.Value()); }

 private:
  Deferred deferred_;
  const EncodeBatch batch_;
  const Span<uint64_t> crc_;
  Napi::Reference<Napi::Array> keep_arrays_;
  size_t written_ = 0;
};

// encodeFramesLater(state, pageSize, pgnos, pages, out, sizes) starts an EncodeWork and returns its
// promise.
Napi::Value EncodeFramesLater(const Napi::CallbackInfo& info) {
  Arguments args(info, "encodeFramesLater");
  const Span<uint64_t> state = args.U64s(args[0], "state", 1);
  const EncodeBatch batch = EncodeArguments(args, 1);
  if (!args.ok()) return {};
  Napi::Array arrays = Napi::Array::New(info.Env(), 5);
  uint32_t kept = 0;
  for (const size_t i : {0, 2, 3, 4, 5}) arrays.Set(kept++, args[i]);
  auto* work = new EncodeWork(info.Env(), batch, state, arrays);
  auto promise = work->promise();
  work->Queue();
  return promise;
}

// decodeFrames(state, pageSize, input, pgnos, sizes, pages, sumPages, result) decodes the frames in
// `input`. state[0] is the file checksum, and state[1] is the xor of the page checksums. Sets
// result[0] to the number of decoded frames and result[1] to their encoded size in bytes. Returns 0
// if more frames may follow, 1 if the end marker is next, or the number of the FrameError plus 1 if
// the next frame is damaged.
Napi::Value DecodeFrames(const Napi::CallbackInfo& info) {
  Arguments args(info, "decodeFrames");
  const Span<uint64_t> state = args.U64s(args[0], "state", 2);
  const uint32_t page_size = args.PageSize(args[1]);
  const Span<uint8_t> input = args.Bytes(args[2], "input");
  const Span<uint32_t> pgnos = args.U32s(args[3], "pgnos");
  const Span<uint32_t> sizes = args.U32s(args[4], "sizes", pgnos.size);
  const Span<uint8_t> pages = args.Bytes(args[5], "pages", pgnos.size * page_size);
  const bool sum_pages = args.Bool(args[6], "sumPages");
  const Span<double> result = args.Doubles(args[7], "result", 2);
  if (!args.ok()) return {};
  const FrameBatch batch{pgnos.size, pages.data, pgnos.data, sizes.data};
  const BatchResult decoded =
      DecodeFrameBatch(input.data, input.size, page_size, batch, &state[0], sum_pages ? &state[1] : nullptr);
  result[0] = double(decoded.count);
  result[1] = double(decoded.used);
  const int status = decoded.end == BatchEnd::kMore ? 0 : decoded.end == BatchEnd::kEndMarker ? 1 : int(decoded.fault) + 1;
  return Napi::Number::New(info.Env(), status);
}

// sumPages(pageSize, pgnos, pages) returns the xor of the checksums of the pages in `pages`.
Napi::Value SumPages(const Napi::CallbackInfo& info) {
  Arguments args(info, "sumPages");
  const uint32_t page_size = args.PageSize(args[0]);
  const Span<uint32_t> pgnos = args.U32s(args[1], "pgnos");
  const Span<uint8_t> pages = args.Bytes(args[2], "pages", pgnos.size * page_size);
  if (!args.ok()) return {};
  uint64_t sum = 0;
  for (size_t i = 0; i < pgnos.size; i++) sum ^= PageChecksum(pgnos[i], pages.data + i * page_size, page_size);
  return Napi::BigInt::New(info.Env(), sum);
}

}  // namespace

void ExportLtxCodec(Napi::Env env, Napi::Object exports) {
  exports.Set("combineCrc64", Napi::Function::New(env, CombineCrc64Call, "combineCrc64"));
  exports.Set("crc64", Napi::Function::New(env, Crc64Call, "crc64"));
  exports.Set("encodeFrames", Napi::Function::New(env, EncodeFrames, "encodeFrames"));
  exports.Set("encodeFramesLater", Napi::Function::New(env, EncodeFramesLater, "encodeFramesLater"));
  exports.Set("decodeFrames", Napi::Function::New(env, DecodeFrames, "decodeFrames"));
  exports.Set("sumPages", Napi::Function::New(env, SumPages, "sumPages"));
}

}  // namespace litestream
