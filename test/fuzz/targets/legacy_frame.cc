// The LZ4 frame that is the payload of page frames without a size.
#include "input.h"
#include "ltx/ltx_legacy_frame.h"

using namespace litestream;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Input input(data, size);
  const uint32_t page_size = input.PageSize();
  const std::vector<uint8_t> frame = input.Rest();
  std::vector<uint8_t> page(page_size);
  size_t used = 0;
  const FrameError error = DecodeLz4Frame(frame.data(), frame.size(), page_size, page.data(), &used);
  if (error == FrameError::kNone) EXPECT(used <= frame.size());
  return 0;
}
