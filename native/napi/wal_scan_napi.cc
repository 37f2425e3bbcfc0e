// The functions with which the WAL reader checks and searches buffers of WAL frames. Every function
// of wal_scan_napi.cc runs on the calling thread and keeps no state.
#include "napi/arguments.h"
#include "napi/exports.h"
#include "os/file.h"
#include "wal/wal_frames.h"

namespace litestream {
namespace {

// walChecksum(bigEndian, data, sum) updates the WAL checksum `sum` (two 32-bit words) with `data`.
Napi::Value WalChecksumCall(const Napi::CallbackInfo& info) {
  Arguments args(info, "walChecksum");
  const bool big_endian = args.Bool(args[0], "bigEndian");
  const Span<uint8_t> data = args.Bytes(args[1], "data");
  const Span<uint32_t> sum = args.U32s(args[2], "sum", 2);
  args.Require(data.size % 8 == 0, "the length of data must be a multiple of 8");
  if (args.ok()) WalChecksum(big_endian, data.data, data.size, sum.data);
  return {};
}

// scanFrames(frames, pageSize, bigEndian, salt1, salt2, sum, pgnos, commits) returns the number of
// consecutive valid WAL frames at the start of `frames` (see ScanWalFrames).
Napi::Value ScanFrames(const Napi::CallbackInfo& info) {
  Arguments args(info, "scanFrames");
  const Span<uint8_t> frames = args.Bytes(args[0], "frames");
  WalGeneration generation;
  generation.page_size = args.PageSize(args[1]);
  generation.big_endian = args.Bool(args[2], "bigEndian");
  generation.salt1 = args.U32(args[3], "salt1");
  generation.salt2 = args.U32(args[4], "salt2");
  const Span<uint32_t> sum = args.U32s(args[5], "sum", 2);
  const Span<uint32_t> pgnos = args.U32s(args[6], "pgnos");
  const Span<uint32_t> commits = args.U32s(args[7], "commits", pgnos.size);
  if (!args.ok()) return {};
  const size_t valid = ScanWalFrames(frames.data, frames.size, generation, sum.data, pgnos.size, pgnos.data, commits.data);
  return Napi::Number::New(info.Env(), double(valid));
}

// newestFrames(pgnos, count, commit, lockPgno, outPgnos, outFrames) finds the last WAL frame of
// each page up to page `commit` (see NewestWalFrames). Returns the number of found pages.
Napi::Value NewestFrames(const Napi::CallbackInfo& info) {
  Arguments args(info, "newestFrames");
  const uint32_t count = args.U32(args[1], "count");
  const Span<uint32_t> pgnos = args.U32s(args[0], "pgnos", count);
  const uint32_t commit = args.U32(args[2], "commit");
  const uint32_t lock_pgno = args.U32(args[3], "lockPgno");
  const Span<uint32_t> out_pgnos = args.U32s(args[4], "outPgnos", count);
  const Span<uint32_t> out_frames = args.U32s(args[5], "outFrames", count);
  if (!args.ok()) return {};
  return Napi::Number::New(info.Env(),
                           NewestWalFrames(pgnos.data, count, commit, lock_pgno, out_pgnos.data, out_frames.data));
}

// readPieces(fd, offsets, size, out) reads a piece of `size` bytes at each of the file offsets
// `offsets`, and stores the pieces one after another in `out`. readPieces stops at the first piece
// that extends beyond the end of the file. Returns the number of whole pieces, or a negative error
// number.
Napi::Value ReadPieces(const Napi::CallbackInfo& info) {
  Arguments args(info, "readPieces");
  const int fd = args.Descriptor(args[0]);
  const Span<double> offsets = args.Doubles(args[1], "offsets");
  const uint32_t size = args.U32(args[2], "size", 1, INT32_MAX);
  uint8_t* out = args.Bytes(args[3], "out", offsets.size * size).data;
  for (const double offset : offsets) {
    args.Require(offset >= 0 && offset <= kMaxSafeInteger - size, "an offset is no position in a file");
  }
  if (!args.ok()) return {};
  const os::File file = os::FileOfDescriptor(fd);
  for (size_t i = 0; i < offsets.size; i++, out += size) {
    size_t got = 0;
    const int error = os::ReadFully(file, out, size, uint64_t(offsets[i]), &got);
    if (error != 0) return Napi::Number::New(info.Env(), -error);
    if (got < size) return Napi::Number::New(info.Env(), double(i));
  }
  return Napi::Number::New(info.Env(), double(offsets.size));
}

}  // namespace

void ExportWalScan(Napi::Env env, Napi::Object exports) {
  exports.Set("walChecksum", Napi::Function::New(env, WalChecksumCall));
  exports.Set("scanFrames", Napi::Function::New(env, ScanFrames));
  exports.Set("newestFrames", Napi::Function::New(env, NewestFrames));
  exports.Set("readPieces", Napi::Function::New(env, ReadPieces));
}
}  // namespace litestream
