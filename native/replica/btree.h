// The shape of SQLite's b-trees as far as a single page tells it (the file format is described at sqlite.org/fileformat2.html,
// section 1.6). Pure functions of a page's bytes; a page that is no b-tree page is recognised as such or yields nothing harmful:
// what is read here only decides what to fetch ahead.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

namespace litestream {

constexpr uint8_t kIndexInterior = 2;
constexpr uint8_t kTableInterior = 5;
constexpr uint8_t kIndexLeaf = 10;
constexpr uint8_t kTableLeaf = 13;

// The type byte of a page if it is that of a b-tree page, else 0.
uint8_t BtreePageType(const uint8_t* page, uint32_t page_size, uint32_t pgno);

// The children of an interior page in key order, all different; empty unless the page is a sound interior page.
std::vector<uint32_t> BtreeChildren(const uint8_t* page, uint32_t page_size, uint32_t pgno, uint32_t commit);

// One entry of an index leaf: the rowid it points to, and a fingerprint of its first column.
struct IndexEntry {
  double rowid;     // NaN where the entry has none in its local part
  uint32_t prefix;  // equal for entries whose first columns are equal (and seldom otherwise)
};

// The entries of an index leaf, in key order; empty for any other page.
std::vector<IndexEntry> IndexEntries(const uint8_t* page, uint32_t page_size, uint32_t pgno);

// The child of a table's interior page that leads to a rowid; 0 for any other page.
uint32_t TableChild(const uint8_t* page, uint32_t page_size, uint32_t pgno, double rowid);

// The first columns of a row on a table's leaf, at most so many: integers, NaN for what is none. Empty where the row is not there.
constexpr size_t kRowIntegers = 64;
std::vector<double> RowIntegers(const uint8_t* page, uint32_t page_size, uint32_t pgno, double rowid);

// The root pages that a leaf of the schema table names; empty for any other page.
std::vector<uint32_t> SchemaRoots(const uint8_t* page, uint32_t page_size, uint32_t pgno, uint32_t commit);

}  // namespace litestream
