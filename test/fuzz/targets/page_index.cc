// The page index of an LTX file, in one piece and in pieces of any size.
#include "input.h"
#include "ltx/page_index.h"
#include "replica/replica.h"

using namespace litestream;

namespace {

struct Entry {
  uint32_t pgno;
  uint64_t offset;
  uint32_t size;
  bool operator==(const Entry& other) const {
    return pgno == other.pgno && offset == other.offset && size == other.size;
  }
};

struct Result {
  IndexFault fault;
  std::vector<Entry> entries;
};

Result ReadInPieces(IndexState state, const std::vector<uint8_t>& bytes, size_t piece) {
  Result result{IndexFault::kNone, {}};
  const uint32_t commit = state.rules.commit;
  for (size_t at = 0; at < bytes.size() && result.fault == IndexFault::kNone; at += piece) {
    const std::vector<uint8_t> copy(bytes.begin() + long(at), bytes.begin() + long(std::min(bytes.size(), at + piece)));
    result.fault = ReadIndex(state, copy.data(), copy.size(), [&](uint32_t pgno, uint64_t offset, uint32_t size) {
      EXPECT((pgno - 1) / kChunkPages < ChunksOf(commit));
      result.entries.push_back({pgno, offset, size});
      return true;
    });
  }
  if (result.fault == IndexFault::kNone) result.fault = EndIndex(state);
  return result;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Input input(data, size);
  const uint32_t page_size = input.PageSize(), commit = input.Commit(), complete_from = input.U32();
  IndexState state(IndexRules(page_size, commit, complete_from));
  state.file_offset = input.U64() & ((uint64_t(1) << 53) - 1);
  state.end = 100;
  const size_t piece = size_t(input.U8()) + 1;
  const std::vector<uint8_t> bytes = input.Rest();
  const Result whole = ReadInPieces(state, bytes, bytes.size() + 1);
  const Result pieces = ReadInPieces(state, bytes, piece);
  EXPECT(whole.fault == pieces.fault && whole.entries == pieces.entries);
  uint32_t last = 0;
  uint64_t end = 100;
  for (const Entry& entry : whole.entries) {
    EXPECT(entry.pgno > last && entry.pgno <= commit && entry.pgno != LockPgno(page_size));
    EXPECT(entry.offset == end && entry.size > 0);
    last = entry.pgno;
    end = entry.offset + entry.size;
    EXPECT(end <= state.file_offset);
  }
  return 0;
}
