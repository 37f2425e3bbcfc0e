// FrameMerger for JavaScript. Arguments are checked in TypeScript.
#include <memory>

#include "napi/exports.h"
#include "ltx/frame_merger.h"

namespace litestream {
namespace {

class FrameMergerObject : public Napi::ObjectWrap<FrameMergerObject> {
 public:
  static void Export(Napi::Env env, Napi::Object exports) {
    exports.Set("FrameMerger", DefineClass(env, "FrameMerger",
                                           {InstanceMethod<&FrameMergerObject::Step>("step"),
                                            InstanceMethod<&FrameMergerObject::Input>("input"),
                                            InstanceMethod<&FrameMergerObject::Output>("output")}));
  }

  // (pageSize, commit, snapshot, crc, offset, inputs: { commit, snapshot, crc, offset }[])
  explicit FrameMergerObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<FrameMergerObject>(info) {
    const Napi::Array list = info[5].As<Napi::Array>();
    std::vector<MergeInput> inputs;
    for (uint32_t i = 0; i < list.Length(); i++) {
      const Napi::Object from = list.Get(i).As<Napi::Object>();
      MergeInput input{};
      input.commit = from.Get("commit").As<Napi::Number>().Uint32Value();
      input.snapshot = from.Get("snapshot").As<Napi::Boolean>().Value();
      input.crc = Big(from.Get("crc"));
      input.offset = uint64_t(from.Get("offset").As<Napi::Number>().Int64Value());
      inputs.push_back(input);
    }
    merger_ = std::make_unique<FrameMerger>(info[0].As<Napi::Number>().Uint32Value(), info[1].As<Napi::Number>().Uint32Value(),
                                            info[2].As<Napi::Boolean>().Value(), Big(info[3]),
                                            uint64_t(info[4].As<Napi::Number>().Int64Value()), std::move(inputs));
  }

 private:
  static uint64_t Big(Napi::Value value) {
    bool lossless = true;
    return value.As<Napi::BigInt>().Uint64Value(&lossless);
  }

  // step(bytes: Uint8Array[], out: Uint8Array, result: Float64Array): status
  Napi::Value Step(const Napi::CallbackInfo& info) {
    const Napi::Array list = info[0].As<Napi::Array>();
    Napi::Uint8Array out = info[1].As<Napi::Uint8Array>();
    double* result = info[2].As<Napi::Float64Array>().Data();
    bytes_.clear();
    for (uint32_t i = 0; i < list.Length(); i++) {
      // Freed at once: a call takes as many handles as there are inputs.
      const Napi::HandleScope scope(info.Env());
      Napi::Uint8Array bytes = list.Get(i).As<Napi::Uint8Array>();
      bytes_.push_back({bytes.Data(), bytes.ByteLength(), 0});
    }
    size_t written = 0;
    const MergeStatus status = merger_->Step(bytes_, out.Data(), out.ByteLength(), &written);
    result[0] = double(written);
    result[1] = double(merger_->at());
    result[2] = double(int(merger_->fault()));
    result[3] = double(merger_->missing());
    for (size_t i = 0; i < bytes_.size(); i++) result[4 + i] = double(bytes_[i].used);
    return Napi::Number::New(info.Env(), int(status));
  }

  // input(i): { crc, offset, indexCrc, indexSize, frames }
  Napi::Value Input(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    const MergeInput& in = merger_->input(info[0].As<Napi::Number>().Uint32Value());
    Napi::Object object = Napi::Object::New(env);
    object.Set("crc", Napi::BigInt::New(env, in.crc));
    object.Set("offset", Napi::Number::New(env, double(in.offset)));
    object.Set("indexCrc", Napi::BigInt::New(env, in.index_crc));
    object.Set("indexSize", Napi::Number::New(env, double(in.index_size)));
    object.Set("frames", Napi::Number::New(env, in.frames));
    object.Set("pgno", Napi::Number::New(env, in.pgno));
    return object;
  }

  // output(): { crc, frames, index }
  Napi::Value Output(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    Napi::Object object = Napi::Object::New(env);
    object.Set("crc", Napi::BigInt::New(env, merger_->crc()));
    object.Set("frames", Napi::Number::New(env, merger_->frames()));
    object.Set("index", Napi::Buffer<uint8_t>::Copy(env, merger_->index().data(), merger_->index().size()));
    return object;
  }

  std::unique_ptr<FrameMerger> merger_;
  std::vector<MergeBytes> bytes_;
};

}  // namespace

void ExportFrameMerger(Napi::Env env, Napi::Object exports) { FrameMergerObject::Export(env, exports); }

}  // namespace litestream
