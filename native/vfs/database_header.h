// The first 100 bytes of a database as SQLite must see them in a view of a replica.
#pragma once
#include <cstdint>

#include "ltx/limits.h"
#include "ltx/ltx_codec.h"

namespace litestream {

// What a view changes in the header (https://www.sqlite.org/fileformat2.html, section 1.3).
struct HeaderFields {
  uint32_t counter;       // the change counter that stands for the view
  uint32_t commit;        // pages
  uint32_t cookie_shift;  // added to the schema cookie
};

// Patches the bytes [offset, offset + size) of page 1, which are at `dst`. SQLite must see a rollback-journal
// database (bytes 18, 19), a change counter that stands for the view (24..27, and 92..95 alike, or it would
// distrust the page count at 28..31), and that page count equal to the view's. It keeps a parsed schema for as
// long as the schema cookie (40..43) is the same, so the cookie is shifted where an equal one may stand for
// another schema.
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
  // SQLite reads 24..39 to compare counters, or all of the page.
  if (fields.cookie_shift != 0 && offset <= 40 && Inside(40 - offset, 4, size)) {
    uint8_t* cookie = dst + (40 - offset);
    WriteU32(cookie, ReadU32(cookie) + fields.cookie_shift);
  }
}

}  // namespace litestream
