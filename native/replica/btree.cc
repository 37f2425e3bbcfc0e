#include "replica/btree.h"

#include <cmath>

#include "ltx/ltx_codec.h"

namespace litestream {

namespace {

uint32_t HeaderAt(uint32_t pgno) { return pgno == 1 ? 100 : 0; }
uint32_t ReadU16(const uint8_t* p) { return (uint32_t(p[0]) << 8) | p[1]; }

// SQLite's varint: up to 9 bytes, big-endian, 7 bits each, the ninth with 8. Null where it does not end before `end`.
const uint8_t* ReadVarint(const uint8_t* p, const uint8_t* end, uint64_t* value) {
  uint64_t v = 0;
  for (int i = 0; i < 8; i++) {
    if (p >= end) return nullptr;
    v = (v << 7) | (*p & 0x7f);
    if (!(*p++ & 0x80)) {
      *value = v;
      return p;
    }
  }
  if (p >= end) return nullptr;
  *value = (v << 8) | *p;
  return p + 1;
}

// Bytes of a column of this serial type.
uint64_t SerialSize(uint64_t type) {
  static const uint8_t kSizes[] = {0, 1, 2, 3, 4, 6, 8, 8, 0, 0, 0, 0};
  return type < 12 ? kSizes[type] : (type - 12) / 2;
}

double ReadInteger(uint64_t type, const uint8_t* p) {
  if (type == 8) return 0;
  if (type == 9) return 1;
  if (type < 1 || type > 6) return NAN;
  int64_t v = int8_t(p[0]);
  for (uint64_t i = 1; i < SerialSize(type); i++) v = int64_t((uint64_t(v) << 8) | p[i]);
  return double(v);
}

// An entry whose record lies whole in [payload, end).
IndexEntry ReadEntry(const uint8_t* payload, const uint8_t* end) {
  IndexEntry entry{NAN, 0};
  uint64_t header_size, type = 0, first_type = 0, body = 0, last = 0;
  const uint8_t* p = ReadVarint(payload, end, &header_size);
  if (p == nullptr || header_size > uint64_t(end - payload)) return entry;
  const uint8_t* header_end = payload + header_size;
  for (bool first = true; p < header_end; first = false) {
    p = ReadVarint(p, header_end, &type);
    if (p == nullptr) return entry;
    if (first) first_type = type;
    last = body;
    body += SerialSize(type);
  }
  if (body > uint64_t(end - header_end)) return entry;
  uint32_t hash = 2166136261u ^ uint32_t(first_type);  // FNV-1a
  for (uint64_t i = 0; i < SerialSize(first_type); i++) hash = (hash ^ header_end[i]) * 16777619u;
  entry.prefix = hash;
  entry.rowid = ReadInteger(type, header_end + last);
  return entry;
}

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

std::vector<IndexEntry> IndexEntries(const uint8_t* page, uint32_t page_size, uint32_t pgno) {
  std::vector<IndexEntry> entries;
  if (BtreePageType(page, page_size, pgno) != kIndexLeaf) return entries;
  const uint8_t* header = page + HeaderAt(pgno);
  const uint8_t* end = page + page_size;
  // What a cell keeps on its page at the most (fileformat2, 1.6); a longer one is left out, its end is elsewhere.
  const uint64_t local = (uint64_t(page_size) - 12) * 64 / 255 - 23;
  uint32_t cells = ReadU16(header + 3);
  for (uint32_t i = 0; i < cells; i++) {
    uint32_t at = ReadU16(header + 8 + i * 2);
    IndexEntry entry{NAN, 0};
    uint64_t size;
    const uint8_t* payload = at < page_size ? ReadVarint(page + at, end, &size) : nullptr;
    if (payload != nullptr && size <= local && size <= uint64_t(end - payload)) entry = ReadEntry(payload, payload + size);
    entries.push_back(entry);
  }
  return entries;
}

uint32_t TableChild(const uint8_t* page, uint32_t page_size, uint32_t pgno, double rowid) {
  if (BtreePageType(page, page_size, pgno) != kTableInterior) return 0;
  const uint8_t* header = page + HeaderAt(pgno);
  const uint8_t* end = page + page_size;
  uint32_t low = 0, high = ReadU16(header + 3);
  auto key = [&](uint32_t i, uint32_t* child) {
    uint32_t at = ReadU16(header + 12 + i * 2);
    uint64_t value = 0;
    if (at + 5 > page_size || ReadVarint(page + at + 4, end, &value) == nullptr) return double(NAN);
    *child = ReadU32(page + at);
    return double(int64_t(value));
  };
  uint32_t child = ReadU32(header + 8);
  while (low < high) {
    uint32_t middle = (low + high) / 2, left = 0;
    double at = key(middle, &left);
    if (std::isnan(at)) return 0;
    if (rowid <= at) {
      child = left;
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return child;
}

std::vector<double> RowIntegers(const uint8_t* page, uint32_t page_size, uint32_t pgno, double rowid) {
  std::vector<double> values;
  if (BtreePageType(page, page_size, pgno) != kTableLeaf) return values;
  const uint8_t* header = page + HeaderAt(pgno);
  const uint8_t* end = page + page_size;
  uint64_t size = 0;
  // Where the record of a cell begins, and its rowid; null for a cell that is none.
  auto record = [&](uint32_t i, double* key) {
    uint32_t at = ReadU16(header + 8 + i * 2);
    uint64_t value = 0;
    const uint8_t* p = at < page_size ? ReadVarint(page + at, end, &size) : nullptr;
    if (p != nullptr) p = ReadVarint(p, end, &value);
    *key = double(int64_t(value));
    return p;
  };
  uint32_t low = 0, high = ReadU16(header + 3);
  while (low < high) {
    uint32_t middle = (low + high) / 2;
    double key;
    const uint8_t* payload = record(middle, &key);
    if (payload == nullptr) return values;
    if (key < rowid) low = middle + 1;
    else if (key > rowid) high = middle;
    else {
      // A record that is longer than this goes on elsewhere: of it only what is surely here is looked at (fileformat2, 1.6).
      if (size > page_size - 35) size = (uint64_t(page_size) - 12) * 32 / 255 - 23;
      if (size > uint64_t(end - payload)) return values;
      const uint8_t* payload_end = payload + size;
      uint64_t header_size, type;
      const uint8_t* p = ReadVarint(payload, payload_end, &header_size);
      if (p == nullptr || header_size > size) return values;
      const uint8_t* header_end = payload + header_size;
      const uint8_t* body = header_end;
      while (p < header_end && values.size() < kRowIntegers) {
        p = ReadVarint(p, header_end, &type);
        if (p == nullptr || SerialSize(type) > uint64_t(payload_end - body)) break;
        values.push_back(ReadInteger(type, body));
        body += SerialSize(type);
      }
      return values;
    }
  }
  return values;
}

std::vector<uint32_t> SchemaRoots(const uint8_t* page, uint32_t page_size, uint32_t pgno, uint32_t commit) {
  std::vector<uint32_t> roots;
  if (BtreePageType(page, page_size, pgno) != kTableLeaf) return roots;
  const uint8_t* header = page + HeaderAt(pgno);
  const uint8_t* end = page + page_size;
  uint32_t cells = ReadU16(header + 3);
  for (uint32_t i = 0; i < cells; i++) {
    uint32_t at = ReadU16(header + 8 + i * 2);
    uint64_t ignored, header_size, type = 0, body = 0, last = 0;
    const uint8_t* p = at < page_size ? ReadVarint(page + at, end, &ignored) : nullptr;
    const uint8_t* payload = p == nullptr ? nullptr : ReadVarint(p, end, &ignored);
    p = payload == nullptr ? nullptr : ReadVarint(payload, end, &header_size);
    // type, name, tbl_name, rootpage: what comes after these, the SQL, may go on elsewhere.
    for (int column = 0; p != nullptr && column < 4; column++) {
      p = ReadVarint(p, end, &type);
      last = body;
      if (p != nullptr) body += SerialSize(type);
    }
    if (p == nullptr || header_size > page_size || body > page_size || payload + header_size + body > end) continue;
    double root = ReadInteger(type, payload + header_size + last);
    if (root >= 2 && root <= commit) roots.push_back(uint32_t(root));  // views and triggers have none
  }
  return roots;
}

}  // namespace litestream
