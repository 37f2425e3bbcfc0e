// One block of an LZ4 frame, with the bytes in front of it that it may refer to: the LZ4 reader's part in C.
#include "input.h"
#include "ltx/linked_block.h"

using namespace litestream;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Input input(data, size);
  const size_t room = input.U32() % 200000, history = input.U32();
  const std::vector<uint8_t> block = input.Rest();
  std::vector<uint8_t> out(room);
  const int decoded = DecodeLinkedBlock(block.data(), block.size(), out.data(), out.size(), history);
  EXPECT(decoded >= -1 && (decoded == -1 || (history <= room && size_t(decoded) <= room - history)));
  return 0;
}
