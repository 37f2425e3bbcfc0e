// Exports the class FrameMerger to JavaScript.
#include <memory>

#include "ltx/frame_merger.h"
#include "napi/arguments.h"
#include "napi/exports.h"

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

  // The constructor is called as new FrameMerger(pageSize, commit, snapshot, crc, offset, inputs).
  // src/native/frame-merger.ts has the types of the arguments.
  explicit FrameMergerObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<FrameMergerObject>(info) {
    Arguments args(info, "FrameMerger");
    const uint32_t page_size = args.PageSize(args[0]), commit = args.Commit(args[1]);
    const bool snapshot = args.Bool(args[2], "snapshot");
    const uint64_t crc = args.U64(args[3], "crc"), offset = args.U53(args[4], "offset");
    const Napi::Array list = args.List(args[5], "inputs");
    std::vector<MergeInput> inputs;
    for (uint32_t i = 0; args.ok() && i < list.Length(); i++) {
      const Napi::Object from = args.Object(list.Get(i), "input");
      if (!args.ok()) return;
      MergeInput input{};
      input.commit = args.Commit(from.Get("commit"));
      input.snapshot = args.Bool(from.Get("snapshot"), "snapshot");
      input.crc = args.U64(from.Get("crc"), "crc");
      input.offset = args.U53(from.Get("offset"), "offset");
      inputs.push_back(input);
    }
    if (args.ok()) merger_ = std::make_unique<FrameMerger>(page_size, commit, snapshot, crc, offset, std::move(inputs));
  }

 private:
  static constexpr size_t kResultSlots = 7;  // numbers before the elements for the inputs

  // step(bytes, out, result) calls FrameMerger::Step and returns the MergeStatus. Step stores the
  // values that FrameMerger::Step reports in the first kResultSlots elements of `result`. Each
  // later element of `result` becomes the number of bytes that the merger has read from one input.
  Napi::Value Step(const Napi::CallbackInfo& info) {
    Arguments args(info, "step");
    args.Require(merger_ != nullptr, "the merger was not made");
    const Napi::Array list = args.List(args[0], "bytes");
    const Span<uint8_t> out = args.Bytes(args[1], "out");
    if (!args.ok()) return {};
    const size_t count = merger_->input_count();
    const Span<double> result = args.Doubles(args[2], "result", kResultSlots + count);
    args.Require(list.Length() == count, "bytes must have one array an input");
    std::vector<MergeBytes> bytes;
    for (uint32_t i = 0; args.ok() && i < count; i++) {
      // With one handle scope per input, the handle of each input's array is freed immediately.
      // With one scope for the whole call, the call would hold a handle for every input.
      const Napi::HandleScope scope(info.Env());
      const Span<uint8_t> one = args.Bytes(list.Get(i), "bytes of an input");
      bytes.push_back({one.data, one.size, 0});
    }
    if (!args.ok()) return {};
    size_t written = 0;
    MergeRun run;
    const MergeStatus status = merger_->Step(bytes, out.data, out.size, &written, &run);
    result[0] = double(written);
    result[1] = double(merger_->at());
    result[2] = double(int(merger_->fault()));
    result[3] = double(merger_->missing());
    result[4] = double(run.input);
    result[5] = run.size == 0 ? 0 : double(run.data - bytes[run.input].data);
    result[6] = double(run.size);
    for (size_t i = 0; i < count; i++) result[kResultSlots + i] = double(bytes[i].used);
    return Napi::Number::New(info.Env(), int(status));
  }

  // input(i) returns the fields { crc, offset, indexCrc, indexSize, frames, pgno } of the
  // MergeInput i.
  Napi::Value Input(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    Arguments args(info, "input");
    const uint32_t i = args.U32(args[0], "i");
    args.Require(merger_ != nullptr && i < merger_->input_count(), "there is no such input");
    if (!args.ok()) return {};
    const MergeInput& in = merger_->input(i);
    Napi::Object object = Napi::Object::New(env);
    object.Set("crc", Napi::BigInt::New(env, in.crc));
    object.Set("offset", Napi::Number::New(env, double(in.offset)));
    object.Set("indexCrc", Napi::BigInt::New(env, in.index_crc));
    object.Set("indexSize", Napi::Number::New(env, double(in.index_size)));
    object.Set("frames", Napi::Number::New(env, in.frames));
    object.Set("pgno", Napi::Number::New(env, in.pgno));
    return object;
  }

  // output() returns the values { crc, frames, index } of the output file.
  Napi::Value Output(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    Arguments args(info, "output");
    args.Require(merger_ != nullptr, "the merger was not made");
    if (!args.ok()) return {};
    Napi::Object object = Napi::Object::New(env);
    object.Set("crc", Napi::BigInt::New(env, merger_->crc()));
    object.Set("frames", Napi::Number::New(env, merger_->frames()));
    object.Set("index", Napi::Buffer<uint8_t>::Copy(env, merger_->index().data(), merger_->index().size()));
    return object;
  }

  std::unique_ptr<FrameMerger> merger_;
};

}  // namespace

void ExportFrameMerger(Napi::Env env, Napi::Object exports) { FrameMergerObject::Export(env, exports); }

}  // namespace litestream
