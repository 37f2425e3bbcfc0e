#include "btree.h"

#include "ltx_codec.h"

namespace litestream {

namespace {

uint32_t HeaderAt(uint32_t pgno) { return pgno == 1 ? 100 : 0; }
uint32_t ReadU16(const uint8_t* p) { return (uint32_t(p[0]) << 8) | p[1]; }

}  // namespace

uint8_t BtreePageType(const uint8_t* page, uint32_t page_size, uint32_t pgno) {
  const uint8_t* header = page + HeaderAt(pgno);
  uint8_t type = header[0];
  if (type != kIndexInterior && type != kTableInterior && type != kIndexLeaf && type != kTableLeaf) return 0;
  uint32_t cells = ReadU16(header + 3);
  uint32_t header_size = type == kIndexInterior || type == kTableInterior ? 12 : 8;
  return HeaderAt(pgno) + header_size + cells * 2 <= page_size ? type : 0;
}

std::vector<uint32_t> BtreeChildren(const uint8_t* page, uint32_t page_size, uint32_t pgno, uint32_t commit) {
  std::vector<uint32_t> children;
  uint8_t type = BtreePageType(page, page_size, pgno);
  if (type != kIndexInterior && type != kTableInterior) return children;
  const uint8_t* header = page + HeaderAt(pgno);
  uint32_t cells = ReadU16(header + 3);
  children.reserve(cells + 1);
  auto add = [&](uint32_t child) {
    bool sound = child >= 1 && child <= commit && child != pgno;
    if (sound) children.push_back(child);
    return sound;
  };
  for (uint32_t i = 0; i < cells; i++) {
    uint32_t at = ReadU16(header + 12 + i * 2);
    if (at + 4 > page_size || !add(ReadU32(page + at))) return {};
  }
  if (!add(ReadU32(header + 8))) return {};
  return children;
}

}  // namespace litestream
