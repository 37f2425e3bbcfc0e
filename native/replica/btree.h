// Reads single pages of SQLite's b-trees (sqlite.org/fileformat2.html, section 1.6). Pure functions
// of a page's bytes. A page that is not a b-tree page gives an empty or harmless result: the
// results only decide which pages to prefetch.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

namespace litestream {

constexpr uint8_t kIndexInterior = 2;
constexpr uint8_t kTableInterior = 5;
constexpr uint8_t kIndexLeaf = 10;
constexpr uint8_t kTableLeaf = 13;

// The type byte if the page is a b-tree page, otherwise 0.
uint8_t BtreePageType(const uint8_t* page, uint32_t page_size, uint32_t pgno);

// The children of an interior page in key order, all different; empty unless the page is a valid
// interior page.
std::vector<uint32_t> BtreeChildren(const uint8_t* page, uint32_t page_size, uint32_t pgno, uint32_t commit);

// One entry of an index leaf: its rowid, and a fingerprint of its first column.
struct IndexEntry {
  double rowid;     // NaN if the local part of the entry has no rowid
  uint32_t prefix;  // equal for entries with equal first columns, rarely for others
};

// The entries of an index leaf, in key order; empty for any other page.
std::vector<IndexEntry> IndexEntries(const uint8_t* page, uint32_t page_size, uint32_t pgno);

// The child of a table's interior page that leads to a rowid; 0 if the page is of another type.
uint32_t TableChild(const uint8_t* page, uint32_t page_size, uint32_t pgno, double rowid);

// The first columns of a row on a table leaf, at most kRowIntegers: integers, and NaN for other
// values. Empty if the leaf does not have the row.
constexpr size_t kRowIntegers = 64;
std::vector<double> RowIntegers(const uint8_t* page, uint32_t page_size, uint32_t pgno, double rowid);

// The root pages that a leaf of the schema table names; empty if the page is of another type.
std::vector<uint32_t> SchemaRoots(const uint8_t* page, uint32_t page_size, uint32_t pgno, uint32_t commit);

}  // namespace litestream
