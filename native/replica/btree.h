// Reads single pages of SQLite's b-trees (sqlite.org/fileformat2.html, section 1.6). The results of
// the functions depend only on the bytes of the page. A page that is not a b-tree page gives an
// empty or wrong result. A wrong result is harmless, because the results only decide which pages
// the worker prefetches.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

namespace litestream {

constexpr uint8_t kIndexInterior = 2;
constexpr uint8_t kTableInterior = 5;
constexpr uint8_t kIndexLeaf = 10;
constexpr uint8_t kTableLeaf = 13;

// Returns the type byte of a b-tree page, or 0 if the page is not a b-tree page.
uint8_t BtreePageType(const uint8_t* page, uint32_t page_size, uint32_t pgno);

// Returns the child pages of an interior page in key order, without repeated pages. Returns an
// empty list if the page is not an interior page or is damaged.
std::vector<uint32_t> BtreeChildren(const uint8_t* page, uint32_t page_size, uint32_t pgno, uint32_t commit);

// An entry of an index leaf.
struct IndexEntry {
  double rowid;     // NaN if the local part of the entry has no rowid
  uint32_t prefix;  // equal for entries with equal first columns, rarely for others
};

// Returns the entries of an index leaf in key order, or an empty list if the page is not an index
// leaf.
std::vector<IndexEntry> IndexEntries(const uint8_t* page, uint32_t page_size, uint32_t pgno);

// Returns the child page that leads to a rowid, or 0 if the page is not an interior page of a
// table.
uint32_t TableChild(const uint8_t* page, uint32_t page_size, uint32_t pgno, double rowid);

// Returns the first columns of a row on a table leaf, at most kRowIntegers columns. A column that
// is not an integer is NaN in the result. Returns an empty list if the leaf does not have the row.
constexpr size_t kRowIntegers = 64;
std::vector<double> RowIntegers(const uint8_t* page, uint32_t page_size, uint32_t pgno, double rowid);

// Returns the root pages that a leaf of the schema table names, or an empty list if the page is not
// a table leaf.
std::vector<uint32_t> SchemaRoots(const uint8_t* page, uint32_t page_size, uint32_t pgno, uint32_t commit);

}  // namespace litestream
