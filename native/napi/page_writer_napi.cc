// Exports writePages and writeFrames, with which a restore writes pages into a database file on the
// thread pool.
#include <algorithm>
#include <vector>

#include "ltx/ltx_codec.h"

#include "napi/arguments.h"
#include "napi/deferred.h"
#include "napi/exports.h"
#include "os/file.h"

namespace litestream {
namespace {

struct Run {
  uint64_t position;  // offset in the file, in bytes
  size_t first;       // index of the run's first page in the buffer
  size_t count;
};

// Writes runs of pages from a buffer into a file, and resolves a promise with 0 or an error number.
// Until the promise settles, the caller must not close the file or change the buffer.
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

// writePages(fd, pageSize, pgnos, pages, wanted) writes each page whose element of `wanted` is not
// 0, and returns the promise of a WriteWork. Pages that are adjacent both in the buffer `pages` and
// in the file are written with one write.
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

struct FileRange {
  uint64_t position, size;
};

// Decodes consecutive frames of an LTX file and computes the file checksum of these frames.
// FrameWork also writes the wanted pages into the database file and starts to flush them to the
// disk. The thread that decodes a page also writes the page, so that the page is still in the
// processor's cache.
class FrameWork : public Napi::AsyncWorker {
 public:
  // The status if a frame is damaged or differs from the page index. No error number of the
  // operating system is -1.
  static constexpr int kOtherFrames = -1;

  struct Input {
    Span<uint8_t> frames;
    Span<uint32_t> pgnos, sizes;
    Span<uint8_t> wanted, pages;
    Span<uint64_t> result;
  };

  // `input` points into the typed arrays in `arrays`. FrameWork holds a reference to `arrays`, so
  // that the garbage collector does not free these typed arrays.
  FrameWork(Napi::Env env, int fd, uint32_t page_size, const Input& input, FileRange flush, FileRange drop,
            Napi::Array arrays)
      : Napi::AsyncWorker(env),
        deferred_(env),
        file_(os::FileOfDescriptor(fd)),
        page_size_(page_size),
        in_(input),
        room_(std::min(input.pages.size / page_size, input.pgnos.size + 1) - 1),
        flush_(flush),
        drop_(drop),
        keep_arrays_(Napi::Persistent(arrays)) {}
  Napi::Value promise() const { return deferred_.promise(); }

  void Execute() override {
    status_ = DecodeAll();
    if (status_ == 0) status_ = WriteRun();
    if (status_ == 0 && flush_.size > 0) status_ = os::StartFlush(file_, flush_.position, flush_.size);
    if (status_ == 0 && drop_.size > 0) status_ = os::DropFlushed(file_, drop_.position, drop_.size);
  }

  void OnOK() override {
    in_.result[0] = crc_;
    in_.result[1] = length_;
    deferred_.Resolve(Napi::Number::New(Env(), status_));
  }
  void OnError(const Napi::Error& error) override { deferred_.Reject(error.Value()); }

 private:
  int DecodeAll() {
    const uint8_t* src = in_.frames.data;
    size_t left = in_.frames.size;
    for (size_t i = 0; i < in_.pgnos.size; i++) {
      const bool wanted = in_.wanted[i] != 0;
      if (wanted && count_ > 0 && (count_ == room_ || in_.pgnos[i] != first_ + count_)) {
        const int error = WriteRun();
        if (error != 0) return error;
      }
      // An unwanted page is also decoded, because the file checksum covers this page. An unwanted
      // page is decoded to page room_ of the buffer `pages`. A run uses only the pages before page
      // room_.
      uint8_t* page = in_.pages.data + (wanted ? count_ : room_) * page_size_;
      uint32_t pgno = 0;
      size_t used = 0;
      const size_t size = in_.sizes[i];
      if (size > left || DecodeFrame(src, size, true, page_size_, page, &pgno, &used) != FrameError::kNone ||
          pgno != in_.pgnos[i]) {
        return kOtherFrames;
      }
      crc_ = FrameCrc(crc_, src, page, page_size_);
      length_ += FramePrefix(src) + page_size_;
      src += size;
      left -= size;
      if (!wanted) continue;
      if (count_++ == 0) first_ = pgno;
    }
    return left == 0 ? 0 : kOtherFrames;
  }

  int WriteRun() {
    const size_t count = count_;
    count_ = 0;
    if (count == 0) return 0;
    return os::WriteFully(file_, in_.pages.data, count * page_size_, (uint64_t(first_) - 1) * page_size_);
  }

  Deferred deferred_;
  const os::File file_;
  const uint32_t page_size_;
  const Input in_;
  const size_t room_;  // largest number of pages in a run
  const FileRange flush_, drop_;
  Napi::Reference<Napi::Array> keep_arrays_;
  // The decoded pages that were not written yet are `count_` pages, beginning with page number
  // `first_`.
  uint32_t first_ = 0;
  size_t count_ = 0;
  uint64_t crc_ = 0, length_ = 0;
  int status_ = 0;
};

// writeFrames(fd, pageSize, frames, pgnos, sizes, wanted, pages, result, ranges) starts a FrameWork
// and returns its promise. `ranges` has the offset and size of the file range to flush, and of the
// file range for os::DropFlushed.
Napi::Value WriteFrames(const Napi::CallbackInfo& info) {
  Arguments args(info, "writeFrames");
  const int fd = args.Descriptor(args[0]);
  const uint32_t page_size = args.PageSize(args[1]);
  FrameWork::Input input;
  input.frames = args.Bytes(args[2], "frames");
  input.pgnos = args.U32s(args[3], "pgnos");
  input.sizes = args.U32s(args[4], "sizes", input.pgnos.size);
  input.wanted = args.Bytes(args[5], "wanted", input.pgnos.size);
  input.pages = args.Bytes(args[6], "pages", 2 * page_size);
  input.result = args.U64s(args[7], "result", 2);
  const Span<double> ranges = args.Doubles(args[8], "ranges", 4);
  if (!args.ok()) return {};
  uint64_t range[4];
  for (size_t i = 0; i < 4; i++) {
    args.Require(ranges[i] >= 0 && ranges[i] <= kMaxSafeInteger, "a range of a file begins and ends inside it");
    if (!args.ok()) return {};
    range[i] = uint64_t(ranges[i]);
  }
  const Napi::Env env = info.Env();
  Napi::Array arrays = Napi::Array::New(env, 6);
  for (uint32_t i = 0; i < 6; i++) arrays.Set(i, args[2 + i]);
  auto* work = new FrameWork(env, fd, page_size, input, {range[0], range[1]}, {range[2], range[3]}, arrays);
  auto promise = work->promise();
  work->Queue();
  return promise;
}

}  // namespace

void ExportPageWriter(Napi::Env env, Napi::Object exports) {
  exports.Set("writeFrames", Napi::Function::New(env, WriteFrames, "writeFrames"));
  exports.Set("writePages", Napi::Function::New(env, WritePages, "writePages"));
}

}  // namespace litestream
