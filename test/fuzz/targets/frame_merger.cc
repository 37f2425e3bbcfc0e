// The merge of up to four page blocks, which come in pieces.
#include <algorithm>

#include "input.h"
#include "ltx/frame_batch.h"
#include "ltx/frame_merger.h"

using namespace litestream;

namespace {

// One page block, of which `given` bytes came so far.
struct Block {
  std::vector<uint8_t> bytes;
  size_t used = 0;
  size_t given = 0;
};

// The frames that the merger wrote decode, and ascend within the database.
void CheckOutput(const std::vector<uint8_t>& output, uint32_t page_size, uint32_t commit, uint32_t frames) {
  std::vector<uint8_t> page(page_size);
  uint32_t last = 0, pgno = 0, count = 0;
  for (size_t at = 0; at < output.size(); count++) {
    size_t used = 0;
    const FrameError error =
        DecodeFrame(output.data() + at, output.size() - at, false, page_size, page.data(), &pgno, &used);
    EXPECT(error == FrameError::kNone && pgno > last && pgno <= commit);
    last = pgno;
    at += used;
  }
  EXPECT(count == frames);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Input input(data, size);
  const uint32_t page_size = 512u << (input.U8() & 3);
  const uint8_t flags = input.U8();
  const size_t count = size_t(flags & 3) + 1, piece = size_t(input.U8()) * 16 + 1;
  std::vector<MergeInput> inputs(count);
  std::vector<Block> blocks(count);
  for (size_t i = 0; i < count; i++) {
    inputs[i] = {};
    inputs[i].commit = input.Commit();
    inputs[i].snapshot = (flags & (4u << i)) != 0;
    inputs[i].offset = 100;
  }
  const uint32_t commit = inputs.back().commit;
  for (Block& block : blocks) block.bytes = input.Bytes(input.U32());
  FrameMerger merger(page_size, commit, (flags & 128) != 0, 0, 100, inputs);
  std::vector<uint8_t> out(2 * MaxFrameSize(page_size)), output;
  for (;;) {
    std::vector<std::vector<uint8_t>> copies(count);
    std::vector<MergeBytes> bytes(count);
    for (size_t i = 0; i < count; i++) {
      const Block& block = blocks[i];
      copies[i].assign(block.bytes.begin() + long(block.used), block.bytes.begin() + long(block.given));
      bytes[i] = {copies[i].data(), copies[i].size(), 0};
    }
    size_t written = 0;
    MergeRun run;
    const MergeStatus status = merger.Step(bytes, out.data(), out.size(), &written, &run);
    EXPECT(written <= out.size());
    output.insert(output.end(), out.begin(), out.begin() + long(written));
    if (run.size > 0) {
      EXPECT(run.input < count);
      EXPECT(run.data >= copies[run.input].data());
      EXPECT(run.data + run.size <= copies[run.input].data() + copies[run.input].size());
      output.insert(output.end(), run.data, run.data + run.size);
    }
    for (size_t i = 0; i < count; i++) {
      EXPECT(bytes[i].used <= bytes[i].size);
      blocks[i].used += bytes[i].used;
    }
    if (status == MergeStatus::kOutputFull) {
      EXPECT(written > 0 || run.size > 0);
      continue;
    }
    if (status != MergeStatus::kNeedInput) break;
    Block& block = blocks[merger.at()];
    if (block.given == block.bytes.size()) break;
    block.given = std::min(block.bytes.size(), block.given + piece);
  }
  CheckOutput(output, page_size, commit, merger.frames());
  return 0;
}
