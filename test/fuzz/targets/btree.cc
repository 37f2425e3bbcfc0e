// Every reader of b-tree pages, on one page.
#include "input.h"
#include "replica/btree.h"

using namespace litestream;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Input input(data, size);
  const uint32_t page_size = input.PageSize();
  const uint32_t pgno = (input.U8() & 1) != 0 ? 1 : 2;
  const uint32_t commit = input.Commit();
  const uint64_t bits = input.U64();
  double rowid;
  memcpy(&rowid, &bits, sizeof rowid);
  const std::vector<uint8_t> page = input.Page(page_size);
  BtreePageType(page.data(), page_size, pgno);
  for (const uint32_t child : BtreeChildren(page.data(), page_size, pgno, commit)) EXPECT(child >= 1 && child <= commit);
  for (const uint32_t root : SchemaRoots(page.data(), page_size, pgno, commit)) EXPECT(root >= 2 && root <= commit);
  EXPECT(IndexEntries(page.data(), page_size, pgno).size() <= page_size);
  TableChild(page.data(), page_size, pgno, rowid);
  EXPECT(RowIntegers(page.data(), page_size, pgno, rowid).size() <= kRowIntegers);
  return 0;
}
