#include "replica/btree.h"

#include <algorithm>
#include <cmath>

#include "ltx/ltx_codec.h"

namespace litestream {

namespace {

uint32_t HeaderAt(uint32_t pgno) { return pgno == 1 ? 100 : 0; }
uint32_t ReadU16(const uint8_t* p) { return (uint32_t(p[0]) << 8) | p[1]; }

// Reads an SQLite varint. A varint has up to 9 bytes in big-endian order. Each of the first eight
// bytes of a varint has 7 bits of the number, and the ninth byte has 8 bits. Returns the address of
// the first byte after the varint. If the varint does not end before `end`, returns null.
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

// Returns the size in bytes of a column value with the serial type `type`.
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

// Iterates over the columns of a record (fileformat2, section 2.1). [payload, end) is the part of
// the record that is on the page. RecordColumns checks the column sizes in the record, so that
// every column to which Next moves lies within [payload, end).
class RecordColumns {
 public:
  RecordColumns(const uint8_t* payload, const uint8_t* end) : end_(end) {
    uint64_t header_size = 0;
    at_ = ReadVarint(payload, end, &header_size);
    sound_ = at_ != nullptr && header_size <= uint64_t(end - payload);
    header_end_ = next_ = sound_ ? payload + header_size : end;
  }

  // Moves to the next column of the record. Returns false if the record has no more columns, or if
  // the next column does not lie completely within [payload, end).
  bool Next() {
    if (!sound_ || at_ >= header_end_) return false;
    at_ = ReadVarint(at_, header_end_, &type_);
    // Next() compares the column's size with the number of remaining bytes and does not add sizes,
    // because a sum could wrap.
    sound_ = at_ != nullptr && SerialSize(type_) <= uint64_t(end_ - next_);
    if (!sound_) return false;
    data_ = next_;
    next_ += SerialSize(type_);
    return true;
  }

  // Returns false if a column did not lie completely within [payload, end).
  bool sound() const { return sound_; }
  uint64_t type() const { return type_; }
  double Integer() const { return ReadInteger(type_, data_); }
  uint32_t Hash() const {
    uint32_t hash = 2166136261u ^ uint32_t(type_);  // FNV-1a
    for (const uint8_t* p = data_; p < next_; p++) hash = (hash ^ *p) * 16777619u;
    return hash;
  }

 private:
  const uint8_t* const end_;
  const uint8_t* at_;
  const uint8_t* header_end_;
  const uint8_t* data_ = nullptr;  // first byte of the current column
  const uint8_t* next_;            // first byte after the current column
  uint64_t type_ = 0;
  bool sound_;
};

// Reads an index entry whose record lies completely within [payload, end).
IndexEntry ReadEntry(const uint8_t* payload, const uint8_t* end) {
  IndexEntry entry{NAN, 0};
  RecordColumns columns(payload, end);
  if (!columns.Next()) return entry;
  const uint32_t prefix = columns.Hash();
  double last = columns.Integer();
  while (columns.Next()) last = columns.Integer();
  return columns.sound() ? IndexEntry{last, prefix} : entry;
}

}  // namespace

uint8_t BtreePageType(const uint8_t* page, uint32_t page_size, uint32_t pgno) {
  const uint8_t* header = page + HeaderAt(pgno);
  uint8_t type = header[0];
  if (type != kIndexInterior && type != kTableInterior && type != kIndexLeaf && type != kTableLeaf) return 0;
  uint32_t cells = ReadU16(header + 3);
  // A cell takes at least four bytes, and its cell pointer takes two more bytes. SQLite also
  // refuses a page with more than (page_size - 8) / 6 cells.
  if (cells > (page_size - 8) / 6) return 0;
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
  // Each page of a b-tree has only one parent page, so a page with a repeated child page is
  // invalid. The check for repeated child pages also prevents a prefetch from following repeated
  // pages endlessly.
  std::vector<uint32_t> sorted = children;
  std::sort(sorted.begin(), sorted.end());
  if (std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end()) return {};
  return children;
}

std::vector<IndexEntry> IndexEntries(const uint8_t* page, uint32_t page_size, uint32_t pgno) {
  std::vector<IndexEntry> entries;
  if (BtreePageType(page, page_size, pgno) != kIndexLeaf) return entries;
  const uint8_t* header = page + HeaderAt(pgno);
  const uint8_t* end = page + page_size;
  // The size in bytes of the largest payload that an index cell stores completely on its page
  // (fileformat2, 1.6). A longer payload continues on overflow pages, so the entry of its cell gets
  // no rowid.
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
  // Returns the address of the record in cell i, sets `size` to the record's size in bytes, and
  // sets *key to the cell's rowid. If the cell is invalid, returns null.
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
      // A record of more than page_size - 35 bytes continues on overflow pages. Of a record that
      // continues on overflow pages, RowIntegers reads only the part that is always on the leaf
      // (fileformat2, 1.6).
      if (size > page_size - 35) size = (uint64_t(page_size) - 12) * 32 / 255 - 23;
      if (size > uint64_t(end - payload)) return values;
      RecordColumns columns(payload, payload + size);
      while (values.size() < kRowIntegers && columns.Next()) values.push_back(columns.Integer());
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
    uint64_t ignored;
    const uint8_t* p = at < page_size ? ReadVarint(page + at, end, &ignored) : nullptr;
    const uint8_t* payload = p == nullptr ? nullptr : ReadVarint(p, end, &ignored);
    if (payload == nullptr) continue;
    // SchemaRoots reads only the columns type, name, tbl_name and rootpage. The fifth column of the
    // schema table, sql, may continue on overflow pages.
    RecordColumns columns(payload, end);
    int column = 0;
    while (column < 4 && columns.Next()) column++;
    if (column < 4) continue;
    const double root = columns.Integer();
    // In the row of a view or a trigger, the column rootpage is 0.
    if (root >= 2 && root <= commit) roots.push_back(uint32_t(root));
  }
  return roots;
}

}  // namespace litestream
