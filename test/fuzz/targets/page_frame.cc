// One page frame, of both forms; what decodes is encoded again.
#include "input.h"
#include "ltx/ltx_codec.h"

using namespace litestream;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Input input(data, size);
  const uint32_t page_size = input.PageSize();
  const bool exact = (input.U8() & 1) != 0;
  const std::vector<uint8_t> frame = input.Rest();
  std::vector<uint8_t> page(page_size);
  uint32_t pgno = 0;
  size_t used = 0;
  const FrameError error = DecodeFrame(frame.data(), frame.size(), exact, page_size, page.data(), &pgno, &used);
  if (error != FrameError::kNone) return 0;
  EXPECT(pgno != 0 && used <= frame.size() && (!exact || used == frame.size()));
  EXPECT(FramePrefix(frame.data()) < used);
  FrameCrc(0, frame.data(), page.data(), page_size);
  FrameEncoder encoder;
  std::vector<uint8_t> again(MaxFrameSize(page_size)), decoded(page_size);
  const size_t encoded = encoder.Encode(pgno, page.data(), page_size, again.data());
  again.resize(encoded);
  EXPECT(DecodeFrame(again.data(), again.size(), true, page_size, decoded.data(), &pgno, &used) == FrameError::kNone);
  EXPECT(decoded == page);
  return 0;
}
