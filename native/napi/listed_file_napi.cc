// Exports readListedFile, which opens, checks and reads a file in one task on the thread pool. The
// functions of Node.js need one task each for open, fstat, read and close.
#include "napi/arguments.h"
#include "napi/deferred.h"
#include "napi/exports.h"
#include "os/file.h"

namespace litestream {
namespace {

class ReadWork : public Napi::AsyncWorker {
 public:
  ReadWork(Napi::Env env, std::string path, const os::ListedFile& listed, uint64_t offset, Napi::Value value, Span<uint8_t> out)
      : Napi::AsyncWorker(env),
        deferred_(env),
        path_(std::move(path)),
        listed_(listed),
        offset_(offset),
        keep_out_(Napi::Persistent(value)),
        out_(out) {}
  Napi::Value promise() const { return deferred_.promise(); }

  void Execute() override { is_read_ = os::ReadListed(path_, listed_, out_.data, out_.size, offset_); }

  void OnOK() override { deferred_.Resolve(Napi::Boolean::New(Env(), is_read_)); }
  void OnError(const Napi::Error& error) override { deferred_.Reject(error.Value()); }

 private:
  Deferred deferred_;
  const std::string path_;
  const os::ListedFile listed_;
  const uint64_t offset_;
  Napi::Reference<Napi::Value> keep_out_;
  const Span<uint8_t> out_;
  bool is_read_ = false;
};

// readListedFile(path, size, modified, offset, out) fills `out` from the offset of the file, if the
// file at `path` is the listed one: a regular file of `size` bytes with the modification time
// `modified` in milliseconds. Resolves with whether `out` was filled. Until the promise settles, the
// caller must not change the buffer.
Napi::Value ReadListedFile(const Napi::CallbackInfo& info) {
  Arguments args(info, "readListedFile");
  std::string path = args.Text(args[0], "path");
  os::ListedFile listed;
  listed.size = args.U53(args[1], "size");
  listed.modified_ms = args.AnyDouble(args[2], "modified");
  const uint64_t offset = args.U53(args[3], "offset");
  const Span<uint8_t> out = args.Bytes(args[4], "out");
  if (!args.ok()) return {};
  auto* work = new ReadWork(info.Env(), std::move(path), listed, offset, args[4], out);
  auto promise = work->promise();
  work->Queue();
  return promise;
}

}  // namespace

void ExportListedFile(Napi::Env env, Napi::Object exports) {
  exports.Set("readListedFile", Napi::Function::New(env, ReadListedFile, "readListedFile"));
}

}  // namespace litestream
