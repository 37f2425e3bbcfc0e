// The page block of an LTX file: frames one after another.
#include "input.h"
#include "ltx/frame_batch.h"

using namespace litestream;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Input input(data, size);
  const uint32_t page_size = input.PageSize();
  const size_t capacity = size_t(input.U8() & 15);
  const std::vector<uint8_t> block = input.Rest();
  std::vector<uint8_t> pages(capacity * page_size);
  std::vector<uint32_t> pgnos(capacity), sizes(capacity);
  uint64_t crc = 0, sum = 0;
  const FrameBatch batch{capacity, pages.data(), pgnos.data(), sizes.data()};
  const BatchResult result = DecodeFrameBatch(block.data(), block.size(), page_size, batch, &crc, &sum);
  EXPECT(result.count <= capacity && result.used <= block.size());
  size_t used = 0;
  for (size_t i = 0; i < result.count; i++) {
    EXPECT(pgnos[i] != 0);
    used += sizes[i];
  }
  EXPECT(used == result.used);
  return 0;
}
