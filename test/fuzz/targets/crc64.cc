// CRC-64 with and without special instructions, of pieces and of all bytes.
#include "input.h"
#include "ltx/ltx_codec.h"

using namespace litestream;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Input input(data, size);
  const uint64_t start = input.U64();
  const std::vector<uint8_t> first = input.Bytes(input.U8() * 4u), rest = input.Rest();
  const uint64_t a = Crc64(start, first.data(), first.size()), whole = Crc64(a, rest.data(), rest.size());
  EXPECT(a == Crc64Portable(start, first.data(), first.size()));
  EXPECT(whole == Crc64Portable(a, rest.data(), rest.size()));
  const uint64_t b = Crc64(0, rest.data(), rest.size());
  EXPECT(CombineCrc64(a, b, rest.size()) == whole && Crc64Append(rest.size())(a, b) == whole);
  return 0;
}
