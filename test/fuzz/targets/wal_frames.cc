// The frames of a WAL. No fuzzer finds a checksum, so that half of the inputs get correct ones.
#include "input.h"
#include "ltx/limits.h"
#include "ltx/ltx_codec.h"
#include "wal/wal_frames.h"

using namespace litestream;

namespace {

void Seal(std::vector<uint8_t>* frames, const WalGeneration& generation, const uint32_t* start) {
  const size_t frame_size = kWalFrameHeaderSize + generation.page_size;
  uint32_t sum[2] = {start[0], start[1]};
  for (size_t at = 0; frames->size() - at >= frame_size; at += frame_size) {
    uint8_t* frame = frames->data() + at;
    WriteU32(frame + 8, generation.salt1);
    WriteU32(frame + 12, generation.salt2);
    WalChecksum(generation.big_endian, frame, 8, sum);
    WalChecksum(generation.big_endian, frame + kWalFrameHeaderSize, generation.page_size, sum);
    WriteU32(frame + 16, sum[0]);
    WriteU32(frame + 20, sum[1]);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Input input(data, size);
  WalGeneration generation;
  generation.page_size = input.PageSize();
  const uint8_t flags = input.U8();
  generation.big_endian = (flags & 1) != 0;
  generation.salt1 = input.U32();
  generation.salt2 = input.U32();
  uint32_t sum[2] = {input.U32(), input.U32()};
  const size_t capacity = size_t(input.U8());
  const uint32_t commit = input.U32();
  std::vector<uint8_t> frames = input.Rest();
  if ((flags & 2) != 0) Seal(&frames, generation, sum);
  std::vector<uint32_t> pgnos(capacity), commits(capacity);
  const size_t valid =
      ScanWalFrames(frames.data(), frames.size(), generation, sum, capacity, pgnos.data(), commits.data());
  EXPECT(valid <= capacity && valid <= frames.size() / (kWalFrameHeaderSize + generation.page_size));
  std::vector<uint32_t> newest(valid), places(valid);
  const uint32_t lock_pgno = LockPgno(generation.page_size);
  const uint32_t count = NewestWalFrames(pgnos.data(), uint32_t(valid), commit, lock_pgno, newest.data(), places.data());
  EXPECT(count <= valid);
  uint32_t last = 0;
  for (uint32_t i = 0; i < count; i++) {
    EXPECT(newest[i] > last && newest[i] <= commit && newest[i] != lock_pgno);
    EXPECT(places[i] < valid && pgnos[places[i]] == newest[i]);
    last = newest[i];
  }
  return 0;
}
