// The header of page 1 as a view shows it, for reads of any part of the page.
#include "input.h"
#include "vfs/database_header.h"

using namespace litestream;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Input input(data, size);
  const HeaderFields fields{input.U32(), input.U32(), input.U32()};
  // As xRead calls it: the read begins inside the header.
  const uint32_t offset = input.U8() % 100;
  std::vector<uint8_t> bytes = input.Rest();
  const std::vector<uint8_t> before = bytes;
  PatchHeader(fields, offset, bytes.data(), uint32_t(bytes.size()));
  for (size_t i = 0; i < bytes.size(); i++) {
    const size_t at = offset + i;
    const bool patched = at == 18 || at == 19 || (at >= 24 && at < 32) || (at >= 40 && at < 44) || (at >= 92 && at < 96);
    EXPECT(patched || bytes[i] == before[i]);
  }
  return 0;
}
