// Reads single pages of SQLite's b-trees (sqlite.org/fileformat2.html, section 1.6). The results of
// the functions depend only on the bytes of the page. A page that is not a b-tree page gives an
// empty or wrong result. A wrong result is harmless, because the worker uses the results only to
// decide which pages it prefetches.
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

// Returns the child pages of an interior page in key order, without repeated pages. If the page is
// damaged or is not an interior page, returns an empty list.
std::vector<uint32_t> BtreeChildren(const uint8_t* page, uint32_t page_size, uint32_t pgno, uint32_t commit);

// An entry of an index leaf.
struct IndexEntry {
  double rowid;     // NaN if the local part of the entry has no rowid
  uint32_t prefix;  // equal for entries with equal first columns, rarely for others
};

// Returns the entries of an index leaf in key order. If the page is not an index leaf, returns an
// empty list.
std::vector<IndexEntry> IndexEntries(const uint8_t* page, uint32_t page_size, uint32_t pgno);

// Returns the child page to which a search for a rowid descends. If the page is not an interior
// page of a table, returns 0.
uint32_t TableChild(const uint8_t* page, uint32_t page_size, uint32_t pgno, double rowid);

// Returns the first columns of a row on a table leaf, but not more than kRowIntegers columns. A
// column that is not an integer is NaN in the result. If the leaf does not have the row, returns an
// empty list.
constexpr size_t kRowIntegers = 64;
std::vector<double> RowIntegers(const uint8_t* page, uint32_t page_size, uint32_t pgno, double rowid);

// Returns the root pages that a leaf of the schema table names. If the page is not a table leaf,
// returns an empty list.
std::vector<uint32_t> SchemaRoots(const uint8_t* page, uint32_t page_size, uint32_t pgno, uint32_t commit);

}  // namespace litestream
