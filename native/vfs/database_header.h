// The first 100 bytes of a database, as SQLite must see them in a view of a replica.
#pragma once
#include <cstdint>

#include "ltx/limits.h"
#include "ltx/ltx_codec.h"

namespace litestream {

// The header fields that a view changes (https://www.sqlite.org/fileformat2.html, section 1.3).
struct HeaderFields {
  uint32_t counter;       // the view's change counter
  uint32_t commit;        // size of the database in pages
  uint32_t cookie_shift;  // added to the schema cookie
};

// Patches the bytes [offset, offset + size) of page 1, which are at `dst`. SQLite must see a
// rollback-journal database (bytes 18, 19), the view's change counter (24..27, and the same value
// in 92..95, otherwise SQLite ignores the page count), and the view's page count (28..31). SQLite
// keeps its parsed schema while the schema cookie (40..43) is unchanged, so the cookie is shifted
// if an equal one may stand for another schema.
inline void PatchHeader(const HeaderFields& fields, uint32_t offset, uint8_t* dst, uint32_t size) {
  auto put = [&](uint32_t at, const uint8_t* bytes, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
      if (at + i >= offset && at + i - offset < size) dst[at + i - offset] = bytes[i];
    }
  };
  const uint8_t rollback[2] = {1, 1};
  uint8_t counter[4], commit[4];
  WriteU32(counter, fields.counter);
  WriteU32(commit, fields.commit);
  put(18, rollback, 2);
  put(24, counter, 4);
  put(28, commit, 4);
  put(92, counter, 4);
  // SQLite reads either bytes 24..39, to compare counters, or the whole page.
  if (fields.cookie_shift != 0 && offset <= 40 && Inside(40 - offset, 4, size)) {
    uint8_t* cookie = dst + (40 - offset);
    WriteU32(cookie, ReadU32(cookie) + fields.cookie_shift);
  }
}

}  // namespace litestream
