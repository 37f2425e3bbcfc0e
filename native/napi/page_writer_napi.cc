// Writes pages into a database file on the thread pool, for restores.
#include <vector>

#include "napi/arguments.h"
#include "napi/deferred.h"
#include "napi/exports.h"
#include "os/file.h"

namespace litestream {
namespace {

struct Run {
  uint64_t position;  // offset in the file
  size_t first;       // index of the first page in the buffer
  size_t count;
};

// A promise of 0 or an errno. The caller keeps the file and the buffer unchanged until it settles.
class WriteWork : public Napi::AsyncWorker {
 public:
  WriteWork(Napi::Env env, int fd, uint32_t page_size, Napi::Value pages_value, const uint8_t* pages, std::vector<Run> runs)
      : Napi::AsyncWorker(env),
        deferred_(env),
        file_(os::FileOfDescriptor(fd)),
        page_size_(page_size),
        keep_pages_(Napi::Persistent(pages_value)),
        pages_(pages),
        runs_(std::move(runs)) {}
  Napi::Value promise() const { return deferred_.promise(); }

  void Execute() override {
    for (const Run& run : runs_) {
      const uint8_t* from = pages_ + run.first * page_size_;
      errno_ = os::WriteFully(file_, from, run.count * page_size_, run.position);
      if (errno_ != 0) return;
    }
  }

  void OnOK() override { deferred_.Resolve(Napi::Number::New(Env(), errno_)); }
  void OnError(const Napi::Error& error) override { deferred_.Reject(error.Value()); }

 private:
  Deferred deferred_;
  const os::File file_;
  const uint32_t page_size_;
  Napi::Reference<Napi::Value> keep_pages_;
  const uint8_t* const pages_;
  const std::vector<Run> runs_;
  int errno_ = 0;
};

// writePages(fd, pageSize, pgnos, pages, wanted): pages that are adjacent in the buffer and in the
// file are written together.
Napi::Value WritePages(const Napi::CallbackInfo& info) {
  Arguments args(info, "writePages");
  const int fd = args.Descriptor(args[0]);
  const uint32_t page_size = args.PageSize(args[1]);
  const Span<uint32_t> pgnos = args.U32s(args[2], "pgnos");
  const Span<uint8_t> pages = args.Bytes(args[3], "pages", pgnos.size * page_size);
  const Span<uint8_t> wanted = args.Bytes(args[4], "wanted", pgnos.size);
  std::vector<Run> runs;
  for (size_t i = 0; i < pgnos.size && args.ok(); i++) {
    if (wanted[i] == 0) continue;
    args.Require(pgnos[i] != 0, "page 0 has no place in a file");
    const uint64_t position = (uint64_t(pgnos[i]) - 1) * page_size;
    const bool follows = !runs.empty() && runs.back().first + runs.back().count == i &&
                         runs.back().position + uint64_t(runs.back().count) * page_size == position;
    if (follows) {
      runs.back().count++;
    } else {
      runs.push_back({position, i, 1});
    }
  }
  if (!args.ok()) return {};
  auto* work = new WriteWork(info.Env(), fd, page_size, args[3], pages.data, std::move(runs));
  auto promise = work->promise();
  work->Queue();
  return promise;
}

}  // namespace

void ExportPageWriter(Napi::Env env, Napi::Object exports) {
  exports.Set("writePages", Napi::Function::New(env, WritePages, "writePages"));
}

}  // namespace litestream
