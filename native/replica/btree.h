// Reads single pages of SQLite's b-trees (sqlite.org/fileformat2.html, section 1.6). The results of
// the functions of btree.h depend only on the arguments. For a page that is not a b-tree page, the
// result is empty or wrong. A wrong result is harmless, because the worker uses the results only to
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

// Returns the type byte of the b-tree page `page`, or 0 if `page` is not a b-tree page. `pgno` is
// the number of the page.
uint8_t BtreePageType(const uint8_t* page, uint32_t page_size, uint32_t pgno);

// Returns the page numbers of an interior page's child pages in key order. `commit` is the database
// size in pages. If the page is not an interior page, or if a child page is repeated or outside the
// database, returns an empty list.
std::vector<uint32_t> BtreeChildren(const uint8_t* page, uint32_t page_size, uint32_t pgno, uint32_t commit);

// An entry of an index leaf.
struct IndexEntry {
  double rowid;     // NaN if the part of the entry on the leaf has no rowid
  uint32_t prefix;  // hash of the first column
};

// Returns the entries of an index leaf in key order. If the page is not an index leaf, returns an
// empty list.
std::vector<IndexEntry> IndexEntries(const uint8_t* page, uint32_t page_size, uint32_t pgno);

// Returns the number of the child page to which a search for `rowid` descends. If the page is not
// an interior page of a table, returns 0.
uint32_t TableChild(const uint8_t* page, uint32_t page_size, uint32_t pgno, double rowid);

// Returns the values of the first columns of the row `rowid` on a table leaf, but at most
// kRowIntegers values. For a column whose value is not an integer, the result has NaN. If the leaf
// does not contain the row, returns an empty list.
constexpr size_t kRowIntegers = 64;
std::vector<double> RowIntegers(const uint8_t* page, uint32_t page_size, uint32_t pgno, double rowid);

// Returns the numbers of the root pages in the rows of a leaf of the schema table. `commit` is the
// database size in pages. If the page is not a table leaf, returns an empty list.
std::vector<uint32_t> SchemaRoots(const uint8_t* page, uint32_t page_size, uint32_t pgno, uint32_t commit);

}  // namespace litestream
