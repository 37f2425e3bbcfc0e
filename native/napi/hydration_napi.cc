// How the replica worker fills a local copy. Worker thread only, but for what runs on the background thread (HydrateJob) and on
// the thread pool (SyncWork).
#include "replica/background_thread.h"
#include "napi/deferred.h"
#include "napi/exports.h"
#include "ltx/ltx_codec.h"
#include "napi/worker_napi.h"

namespace litestream {

namespace {

Napi::Value OpenHydrated(const Napi::CallbackInfo& info) {
  int error = 0;
  auto file = HydratedFile::Open(U32(info[0]), info[1].As<Napi::String>().Utf8Value(), U32(info[2]),
                                 info[3].As<Napi::Boolean>(), &error);
  if (!file) return Napi::Number::New(info.Env(), error);
  return FileHandle::New(info.Env(), new std::shared_ptr<HydratedFile>(std::move(file)),
                         [](Napi::Env, std::shared_ptr<HydratedFile>* data) { delete data; });
}

// The handle's share of the file ends at once and not with garbage collection: the file may be wanted by another replica next.
void CloseHydrated(const Napi::CallbackInfo& info) { info[0].As<FileHandle>().Data()->reset(); }

Napi::Value SharingViews(const Napi::CallbackInfo& info) {
  auto replica = ReplicaArgument(info[0]);
  auto& file = *info[1].As<FileHandle>().Data();
  return Napi::Number::New(info.Env(), replica ? double(replica->Sharing(file.get())) : 0);
}

Napi::Value SharedPages(const Napi::CallbackInfo& info) {
  auto replica = ReplicaArgument(info[0]);
  auto& file = *info[1].As<FileHandle>().Data();
  return Napi::Number::New(info.Env(), replica ? double(replica->SharedPages(file.get())) : 0);
}

Napi::Value ResizeHydrated(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), (*info[0].As<FileHandle>().Data())->Resize(U32(info[1])));
}

// Decodes frames and writes them to their places: [errno, index of a damaged frame or -1, CRC, bytes it is of].
class HydrateJob : public BackgroundJob {
 public:
  HydrateJob(Napi::Env env, std::shared_ptr<HydratedFile> file, Napi::Uint8Array source, Napi::Uint32Array frames)
      : deferred_(env),
        file_(std::move(file)),
        keep_source_(Napi::Persistent(source)),
        data_(source.Data()),
        size_(source.ElementLength()),
        frames_(frames.Data(), frames.Data() + frames.ElementLength()) {}
  Napi::Value promise() const { return deferred_.promise(); }

  void Run(const std::atomic<bool>& stopping) override {
    const uint32_t page_size = file_->page_size();
    constexpr uint32_t kBatch = 64;
    std::vector<uint8_t> pages(size_t(kBatch) * page_size);
    uint32_t first = 0, run = 0;
    auto flush = [&] {
      if (run > 0 && errno_ == 0) errno_ = file_->Write(first, pages.data(), run);
      run = 0;
    };
    std::vector<uint8_t> unwanted(page_size);
    for (size_t i = 0; i + 3 < frames_.size() && errno_ == 0; i += 4) {
      if (stopping.load(std::memory_order_relaxed)) return;
      uint32_t offset = frames_[i], size = frames_[i + 1], pgno = frames_[i + 2];
      const bool wanted = frames_[i + 3] != 0;
      if (wanted && (run == kBatch || (run > 0 && pgno != first + run))) flush();
      if (wanted && run == 0) first = pgno;
      uint8_t* page = wanted ? pages.data() + size_t(run) * page_size : unwanted.data();
      uint32_t found = 0;
      size_t used;
      bool inside = size_t(offset) + size <= size_;
      if (!inside || DecodeFrame(data_ + offset, size, true, page_size, page, &found, &used) != FrameError::kNone ||
          found != pgno) {
        damaged_ = double(i / 4);
        break;
      }
      crc_ = FrameCrc(crc_, data_ + offset, page, page_size);
      crc_length_ += FramePrefix(data_ + offset) + page_size;
      if (wanted) run++;
    }
    flush();
  }

  void Settle(Napi::Env env) override {
    auto result = Napi::Array::New(env, 4);
    result[0u] = errno_;
    result[1u] = damaged_;
    result[2u] = Napi::BigInt::New(env, crc_);
    result[3u] = double(crc_length_);
    deferred_.Resolve(result);
  }

  // No thread could be begun.
  void Refuse(Napi::Env env, int error_number) {
    errno_ = error_number;
    Settle(env);
  }

 private:
  Deferred deferred_;
  std::shared_ptr<HydratedFile> file_;
  Napi::Reference<Napi::Uint8Array> keep_source_;
  const uint8_t* data_;
  size_t size_;
  std::vector<uint32_t> frames_;
  int errno_ = 0;
  double damaged_ = -1;
  uint64_t crc_ = 0, crc_length_ = 0;  // of the frames as file checksums count them
};

Napi::Value WriteHydrated(const Napi::CallbackInfo& info) {
  auto* write = new HydrateJob(info.Env(), *info[0].As<FileHandle>().Data(), info[1].As<Napi::Uint8Array>(),
                               info[2].As<Napi::Uint32Array>());
  auto promise = write->promise();
  std::unique_ptr<BackgroundJob> job(write);
  int error = RunInBackground(info.Env(), job);
  if (error != 0) write->Refuse(info.Env(), error);
  return promise;
}

class SyncWork : public Napi::AsyncWorker {
 public:
  SyncWork(Napi::Env env, std::shared_ptr<HydratedFile> file)
      : Napi::AsyncWorker(env), deferred_(env), file_(std::move(file)) {}
  Napi::Value promise() const { return deferred_.promise(); }
  void Execute() override { errno_ = file_->Sync(); }
  void OnOK() override { deferred_.Resolve(Napi::Number::New(Env(), errno_)); }
  void OnError(const Napi::Error& error) override { deferred_.Reject(error.Value()); }

 private:
  Deferred deferred_;
  std::shared_ptr<HydratedFile> file_;
  int errno_ = 0;
};

Napi::Value SyncHydrated(const Napi::CallbackInfo& info) {
  auto* work = new SyncWork(info.Env(), *info[0].As<FileHandle>().Data());
  auto promise = work->promise();
  work->Queue();
  return promise;
}

// The file turned out to be damaged: what was taken from it is absent again.
void UnmarkHydrated(const Napi::CallbackInfo& info) {
  auto replica = ReplicaArgument(info[0]);
  View* view = replica ? replica->FindView(U32(info[1])) : nullptr;
  if (view == nullptr) return;
  auto pgnos = info[2].As<Napi::Uint32Array>();
  for (size_t i = 0; i < pgnos.ElementLength(); i++) {
    if (pgnos[i] <= view->commit && view->Lookup(pgnos[i]) == kHydrated) view->Set(pgnos[i], kAbsent);
  }
}

void MarkHydrated(const Napi::CallbackInfo& info) {
  auto replica = ReplicaArgument(info[0]);
  View* view = replica ? replica->FindView(U32(info[1])) : nullptr;
  if (view == nullptr) return;
  auto pgnos = info[2].As<Napi::Uint32Array>();
  for (size_t i = 0; i < pgnos.ElementLength(); i++) {
    if (pgnos[i] <= view->commit) view->Set(pgnos[i], kHydrated);
  }
}

}  // namespace

void ExportHydration(Napi::Env env, Napi::Object exports) {
  exports["openHydrated"] = Napi::Function::New(env, OpenHydrated);
  exports["closeHydrated"] = Napi::Function::New(env, CloseHydrated);
  exports["sharingViews"] = Napi::Function::New(env, SharingViews);
  exports["sharedPages"] = Napi::Function::New(env, SharedPages);
  exports["resizeHydrated"] = Napi::Function::New(env, ResizeHydrated);
  exports["writeHydrated"] = Napi::Function::New(env, WriteHydrated);
  exports["syncHydrated"] = Napi::Function::New(env, SyncHydrated);
  exports["unmarkHydrated"] = Napi::Function::New(env, UnmarkHydrated);
  exports["markHydrated"] = Napi::Function::New(env, MarkHydrated);
}

}  // namespace litestream
