// The WAL reader's work on whole buffers of frames. Arguments are checked in src/wal; every function runs on the calling thread
// and keeps nothing. Format and checksum: https://www.sqlite.org/fileformat2.html#walformat
#include <uv.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "napi/exports.h"

namespace litestream {
namespace {

constexpr size_t kFrameHeaderSize = 24;

inline uint32_t Big32(const uint8_t* p) {
  return (uint32_t(p[0]) << 24) | (uint32_t(p[1]) << 16) | (uint32_t(p[2]) << 8) | p[3];
}
inline uint32_t Little32(const uint8_t* p) {
  return (uint32_t(p[3]) << 24) | (uint32_t(p[2]) << 16) | (uint32_t(p[1]) << 8) | p[0];
}

// Continues SQLite's WAL checksum; `size` is a multiple of 8.
template <uint32_t (*Word)(const uint8_t*)>
void Checksum(const uint8_t* data, size_t size, uint32_t* sum) {
  uint32_t s0 = sum[0], s1 = sum[1];
  for (const uint8_t* end = data + size; data < end; data += 8) {
    s0 += Word(data) + s1;
    s1 += Word(data + 4) + s0;
  }
  sum[0] = s0;
  sum[1] = s1;
}

void Checksum(bool big_endian, const uint8_t* data, size_t size, uint32_t* sum) {
  if (big_endian) {
    Checksum<Big32>(data, size, sum);
  } else {
    Checksum<Little32>(data, size, sum);
  }
}

// walChecksum(bigEndian, data, sum: Uint32Array(2)): continues `sum` over `data`.
void WalChecksum(const Napi::CallbackInfo& info) {
  auto data = info[1].As<Napi::Uint8Array>();
  Checksum(info[0].As<Napi::Boolean>(), data.Data(), data.ByteLength(), info[2].As<Napi::Uint32Array>().Data());
}

// scanFrames(frames, pageSize, bigEndian, salt1, salt2, sum, pgnos, commits): how many whole frames from the start are valid.
Napi::Value ScanFrames(const Napi::CallbackInfo& info) {
  auto frames = info[0].As<Napi::Uint8Array>();
  const size_t page_size = info[1].As<Napi::Number>().Uint32Value();
  const bool big_endian = info[2].As<Napi::Boolean>();
  const uint32_t salt1 = info[3].As<Napi::Number>().Uint32Value();
  const uint32_t salt2 = info[4].As<Napi::Number>().Uint32Value();
  uint32_t* sum = info[5].As<Napi::Uint32Array>().Data();
  auto pgnos = info[6].As<Napi::Uint32Array>();
  uint32_t* commits = info[7].As<Napi::Uint32Array>().Data();

  const size_t frame_size = kFrameHeaderSize + page_size;
  const size_t count = std::min(frames.ByteLength() / frame_size, pgnos.ElementLength());
  const uint8_t* p = frames.Data();
  size_t i = 0;
  for (; i < count; i++, p += frame_size) {
    const uint32_t pgno = Big32(p);
    if (pgno == 0 || Big32(p + 8) != salt1 || Big32(p + 12) != salt2) break;
    uint32_t next[2] = {sum[0], sum[1]};
    Checksum(big_endian, p, 8, next);
    Checksum(big_endian, p + kFrameHeaderSize, page_size, next);
    if (Big32(p + 16) != next[0] || Big32(p + 20) != next[1]) break;
    sum[0] = next[0];
    sum[1] = next[1];
    pgnos.Data()[i] = pgno;
    commits[i] = Big32(p + 4);
  }
  return Napi::Number::New(info.Env(), double(i));
}

// newestFrames(pgnos, count, commit, lockPgno, outPgnos, outFrames): the last frame of each page up to `commit`, by page number.
Napi::Value NewestFrames(const Napi::CallbackInfo& info) {
  const uint32_t* pgnos = info[0].As<Napi::Uint32Array>().Data();
  const uint32_t count = info[1].As<Napi::Number>().Uint32Value();
  const uint32_t commit = info[2].As<Napi::Number>().Uint32Value();
  const uint32_t lock = info[3].As<Napi::Number>().Uint32Value();
  uint32_t* out_pgnos = info[4].As<Napi::Uint32Array>().Data();
  uint32_t* out_frames = info[5].As<Napi::Uint32Array>().Data();

  std::vector<uint64_t> keys;
  keys.reserve(count);
  for (uint32_t i = 0; i < count; i++) {
    if (pgnos[i] <= commit && pgnos[i] != lock) keys.push_back((uint64_t(pgnos[i]) << 32) | i);
  }
  std::sort(keys.begin(), keys.end());
  uint32_t used = 0;
  for (size_t i = 0; i < keys.size(); i++) {
    if (i + 1 < keys.size() && (keys[i] >> 32) == (keys[i + 1] >> 32)) continue;
    out_pgnos[used] = uint32_t(keys[i] >> 32);
    out_frames[used++] = uint32_t(keys[i]);
  }
  return Napi::Number::New(info.Env(), used);
}

// readPieces(fd, offsets, size, out): reads `size` bytes at each offset, one after another into `out`. Returns the number of whole
// pieces read before the end of the file, or libuv's negative error number.
Napi::Value ReadPieces(const Napi::CallbackInfo& info) {
  const uv_file fd = info[0].As<Napi::Number>().Int32Value();
  auto offsets = info[1].As<Napi::Float64Array>();
  const size_t size = info[2].As<Napi::Number>().Uint32Value();
  uint8_t* out = info[3].As<Napi::Uint8Array>().Data();
  for (size_t i = 0; i < offsets.ElementLength(); i++, out += size) {
    for (size_t done = 0; done < size;) {
      uv_buf_t piece = uv_buf_init(reinterpret_cast<char*>(out + done), uint32_t(size - done));
      uv_fs_t request;
      // Without a callback libuv works on the calling thread and needs no loop.
      const int got = uv_fs_read(nullptr, &request, fd, &piece, 1, int64_t(offsets.Data()[i]) + int64_t(done), nullptr);
      uv_fs_req_cleanup(&request);
      if (got < 0) return Napi::Number::New(info.Env(), got);
      if (got == 0) return Napi::Number::New(info.Env(), double(i));
      done += size_t(got);
    }
  }
  return Napi::Number::New(info.Env(), double(offsets.ElementLength()));
}

}  // namespace

void ExportWalScan(Napi::Env env, Napi::Object exports) {
  exports.Set("walChecksum", Napi::Function::New(env, WalChecksum));
  exports.Set("scanFrames", Napi::Function::New(env, ScanFrames));
  exports.Set("newestFrames", Napi::Function::New(env, NewestFrames));
  exports.Set("readPieces", Napi::Function::New(env, ReadPieces));
}
}  // namespace litestream
