// Writes pages to their places in a database file on the thread pool, for restores. Arguments are checked in TypeScript.
#include <algorithm>
#include <vector>

#include "napi/deferred.h"
#include "napi/exports.h"
#include "replica/write_fully.h"

namespace litestream {
namespace {

struct Run {
  uint64_t position;  // in the file
  uint32_t first;     // page in the buffer
  uint32_t count;
};

// A promise of 0 or an errno. The file and the buffer stay the caller's, who does not touch either before that.
class WriteWork : public Napi::AsyncWorker {
 public:
  WriteWork(Napi::Env env, int fd, uint32_t page_size, Napi::Uint8Array pages, std::vector<Run> runs)
      : Napi::AsyncWorker(env),
        deferred_(env),
        fd_(fd),
        page_size_(page_size),
        keep_pages_(Napi::Persistent(pages)),
        pages_(pages.Data()),
        runs_(std::move(runs)) {}
  Napi::Value promise() const { return deferred_.promise(); }

  void Execute() override {
    for (const Run& run : runs_) {
      const uint8_t* from = pages_ + size_t(run.first) * page_size_;
      errno_ = WriteFully(fd_, from, size_t(run.count) * page_size_, off_t(run.position));
      if (errno_ != 0) return;
    }
  }

  void OnOK() override { deferred_.Resolve(Napi::Number::New(Env(), errno_)); }
  void OnError(const Napi::Error& error) override { deferred_.Reject(error.Value()); }

 private:
  Deferred deferred_;
  const int fd_;
  const uint32_t page_size_;
  Napi::Reference<Napi::Uint8Array> keep_pages_;
  const uint8_t* const pages_;
  const std::vector<Run> runs_;
  int errno_ = 0;
};

// writePages(fd, pageSize, pgnos, pages, wanted): neighbours in the buffer and in the file go in one write.
Napi::Value WritePages(const Napi::CallbackInfo& info) {
  const uint32_t page_size = info[1].As<Napi::Number>().Uint32Value();
  const Napi::Uint32Array pgnos = info[2].As<Napi::Uint32Array>();
  const Napi::Uint8Array pages = info[3].As<Napi::Uint8Array>();
  const Napi::Uint8Array wanted = info[4].As<Napi::Uint8Array>();
  const size_t count = std::min({pgnos.ElementLength(), wanted.ElementLength(), pages.ElementLength() / page_size});
  std::vector<Run> runs;
  for (size_t i = 0; i < count; i++) {
    if (wanted[i] == 0) continue;
    const uint64_t position = uint64_t(pgnos[i] - 1) * page_size;
    const bool follows = !runs.empty() && runs.back().first + runs.back().count == i &&
                         runs.back().position + uint64_t(runs.back().count) * page_size == position;
    if (follows) {
      runs.back().count++;
    } else {
      runs.push_back({position, uint32_t(i), 1});
    }
  }
  auto* work = new WriteWork(info.Env(), info[0].As<Napi::Number>().Int32Value(), page_size, pages, std::move(runs));
  auto promise = work->promise();
  work->Queue();
  return promise;
}

}  // namespace

void ExportPageWriter(Napi::Env env, Napi::Object exports) {
  exports.Set("writePages", Napi::Function::New(env, WritePages, "writePages"));
}

}  // namespace litestream
