// The functions with which the replica worker fills a local copy. HydrateJob::Run runs on the
// background thread, and SyncWork runs on the thread pool. Every other function of
// hydration_napi.cc runs on the worker thread.
#include "ltx/limits.h"
#include "ltx/ltx_codec.h"
#include "napi/deferred.h"
#include "napi/exports.h"
#include "napi/worker_napi.h"
#include "replica/background_thread.h"

namespace litestream {

namespace {

// openHydrated(replica, path, temporary, pageSize, fresh) calls HydratedFile::Open. Returns a
// handle of the hydration file, or an error number.
Napi::Value OpenHydrated(const Napi::CallbackInfo& info) {
  Arguments args(info, "openHydrated");
  const uint32_t replica = args.U32(args[0], "replica");
  const std::string path = args.Text(args[1], "path");
  const std::string temporary = args.Text(args[2], "temporary");
  const uint32_t page_size = args.PageSize(args[3]);
  const bool fresh = args.Bool(args[4], "fresh");
  if (!args.ok()) return {};
  int error = 0;
  auto file = HydratedFile::Open(replica, path, temporary, page_size, fresh, &error);
  if (!file) return Napi::Number::New(info.Env(), error);
  return FileHandle::New(info.Env(), std::move(file));
}

// closeHydrated(file) drops the reference of the handle `file` to the hydration file. The worker
// cannot wait for the garbage collector to drop the handle's reference, because another replica may
// open the hydration file next.
Napi::Value CloseHydrated(const Napi::CallbackInfo& info) {
  Arguments args(info, "closeHydrated");
  FileHandle* handle = args.HandleOf<HydratedFile>(args[0], "file");
  if (args.ok()) handle->object.reset();
  return {};
}

// sharingViews(replica, file) returns the number of views that may read from the hydration file.
Napi::Value SharingViews(const Napi::CallbackInfo& info) {
  Arguments args(info, "sharingViews");
  const auto replica = ReplicaArgument(args, args[0]);
  FileHandle* handle = args.HandleOf<HydratedFile>(args[1], "file");
  if (!args.ok()) return {};
  return Napi::Number::New(info.Env(), replica ? double(replica->Sharing(handle->object.get())) : 0);
}

// sharedPages(replica, file) returns the size in pages of the largest view that may read from the
// hydration file.
Napi::Value SharedPages(const Napi::CallbackInfo& info) {
  Arguments args(info, "sharedPages");
  const auto replica = ReplicaArgument(args, args[0]);
  FileHandle* handle = args.HandleOf<HydratedFile>(args[1], "file");
  if (!args.ok()) return {};
  return Napi::Number::New(info.Env(), replica ? double(replica->SharedPages(handle->object.get())) : 0);
}

// resizeHydrated(file, pages) extends the hydration file to `pages` pages. Returns 0 or an error
// number.
Napi::Value ResizeHydrated(const Napi::CallbackInfo& info) {
  Arguments args(info, "resizeHydrated");
  const auto file = args.Open<HydratedFile>(args[0], "file");
  const uint32_t pages = args.U32(args[1], "pages", 0, kMaxCommit);
  if (!args.ok()) return {};
  return Napi::Number::New(info.Env(), file->Resize(pages));
}

// hydratedIntact(file) returns false if another program has changed the hydration file.
Napi::Value HydratedIntact(const Napi::CallbackInfo& info) {
  Arguments args(info, "hydratedIntact");
  const auto file = args.Open<HydratedFile>(args[0], "file");
  if (!args.ok()) return {};
  return Napi::Boolean::New(info.Env(), file->Check());
}

// Decodes frames of an LTX file and writes the wanted pages into the hydration file. A HydrateJob
// resolves its promise to [error number or 0, index of the first damaged frame or -1, CRC of the
// decoded frames, number of bytes that the CRC covers].
class HydrateJob : public BackgroundJob {
 public:
  HydrateJob(Napi::Env env, std::shared_ptr<HydratedFile> file, Napi::Value source_value, Span<uint8_t> source,
             Span<uint32_t> frames)
      : deferred_(env),
        file_(std::move(file)),
        keep_source_(Napi::Persistent(source_value)),
        source_(source),
        frames_(frames.begin(), frames.end()) {}
  Napi::Value promise() const { return deferred_.promise(); }

  void Run(const std::atomic<bool>& stopping) override {
    file_->BeginWriting();
    WriteFrames(stopping);
    file_->EndWriting();
  }

  void WriteFrames(const std::atomic<bool>& stopping) {
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
      if (wanted && (run == kBatch || (run > 0 && pgno - first != run))) flush();
      if (wanted && run == 0) first = pgno;
      uint8_t* page = wanted ? pages.data() + size_t(run) * page_size : unwanted.data();
      uint32_t found = 0;
      size_t used;
      const uint8_t* frame = source_.data + offset;
      if (!Inside(offset, size, source_.size) ||
          DecodeFrame(frame, size, true, page_size, page, &found, &used) != FrameError::kNone || found != pgno) {
        damaged_ = double(i / 4);
        break;
      }
      crc_ = FrameCrc(crc_, frame, page, page_size);
      crc_length_ += FramePrefix(frame) + page_size;
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

  // Settles the promise with `error_number`, because the background thread could not be started.
  void Refuse(Napi::Env env, int error_number) {
    errno_ = error_number;
    Settle(env);
  }

 private:
  Deferred deferred_;
  std::shared_ptr<HydratedFile> file_;
  Napi::Reference<Napi::Value> keep_source_;
  const Span<uint8_t> source_;
  const std::vector<uint32_t> frames_;  // see writeHydrated; DecodeFrame refuses page 0
  int errno_ = 0;
  double damaged_ = -1;
  // The file checksum of the decoded frames alone, and the number of bytes that this CRC covers.
  uint64_t crc_ = 0, crc_length_ = 0;
};

// writeHydrated(file, source, frames) queues a HydrateJob and returns its promise. For each frame,
// `frames` has the offset in `source`, the encoded size, the page number, and 1 if the page is
// wanted, else 0.
Napi::Value WriteHydrated(const Napi::CallbackInfo& info) {
  Arguments args(info, "writeHydrated");
  const auto file = args.Open<HydratedFile>(args[0], "file");
  const Span<uint8_t> source = args.Bytes(args[1], "source");
  const Span<uint32_t> frames = args.U32s(args[2], "frames");
  if (!args.ok()) return {};
  auto* write = new HydrateJob(info.Env(), file, args[1], source, frames);
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

// syncHydrated(file) writes the hydration file to the disk on the thread pool. Returns a promise
// that resolves to 0 or an error number.
Napi::Value SyncHydrated(const Napi::CallbackInfo& info) {
  Arguments args(info, "syncHydrated");
  const auto file = args.Open<HydratedFile>(args[0], "file");
  if (!args.ok()) return {};
  auto* work = new SyncWork(info.Env(), file);
  auto promise = work->promise();
  work->Queue();
  return promise;
}

// unmarkHydrated(replica, view, pgnos) marks the kHydrated pages among `pgnos` as absent in the
// view. The replica worker calls unmarkHydrated for the pages of an LTX file in which it has found
// damage.
Napi::Value UnmarkHydrated(const Napi::CallbackInfo& info) {
  Arguments args(info, "unmarkHydrated");
  const auto replica = ReplicaArgument(args, args[0]);
  View* view = ViewArgument(args, replica, args[1]);
  const Span<uint32_t> pgnos = args.U32s(args[2], "pgnos");
  if (!args.ok() || view == nullptr) return {};
  for (const uint32_t pgno : pgnos) {
    if (view->Has(pgno) && view->Lookup(pgno) == kHydrated) view->Set(pgno, kAbsent);
  }
  return {};
}

// markHydrated(replica, view, pgnos) marks the pages `pgnos` as kHydrated in the view. markHydrated
// ignores page numbers above the number of pages in the view.
Napi::Value MarkHydrated(const Napi::CallbackInfo& info) {
  Arguments args(info, "markHydrated");
  const auto replica = ReplicaArgument(args, args[0]);
  View* view = ViewArgument(args, replica, args[1]);
  const Span<uint32_t> pgnos = args.U32s(args[2], "pgnos");
  if (!args.ok() || view == nullptr) return {};
  for (const uint32_t pgno : pgnos) {
    if (view->Has(pgno)) args.Require(view->SetHydrated(pgno), "the hydrated file does not have a page");
  }
  return {};
}

}  // namespace

void ExportHydration(Napi::Env env, Napi::Object exports) {
  exports["openHydrated"] = Napi::Function::New(env, OpenHydrated);
  exports["closeHydrated"] = Napi::Function::New(env, CloseHydrated);
  exports["sharingViews"] = Napi::Function::New(env, SharingViews);
  exports["sharedPages"] = Napi::Function::New(env, SharedPages);
  exports["hydratedIntact"] = Napi::Function::New(env, HydratedIntact);
  exports["resizeHydrated"] = Napi::Function::New(env, ResizeHydrated);
  exports["writeHydrated"] = Napi::Function::New(env, WriteHydrated);
  exports["syncHydrated"] = Napi::Function::New(env, SyncHydrated);
  exports["unmarkHydrated"] = Napi::Function::New(env, UnmarkHydrated);
  exports["markHydrated"] = Napi::Function::New(env, MarkHydrated);
}

}  // namespace litestream
