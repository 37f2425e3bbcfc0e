// Changes the database header that SQLite reads in a view. The database header is the first 100
// bytes of page 1.
#pragma once
#include <cstdint>

#include "ltx/limits.h"
#include "ltx/ltx_codec.h"

namespace litestream {

// The values that PatchHeader writes into fields of the header
// (https://www.sqlite.org/fileformat2.html, section 1.3).
struct HeaderFields {
  uint32_t counter;       // the view's change counter
  uint32_t commit;        // size of the database in pages
  uint32_t cookie_shift;  // added to the schema cookie
};

// Patches the bytes [offset, offset + size) of page 1. A copy of these bytes is at `dst`. Bytes 18
// and 19 specify that the database uses a rollback journal. Bytes 24 to 27 are the view's change
// counter, and bytes 28 to 31 are the view's page count. Bytes 92 to 95 repeat the change counter.
// If they did not, SQLite would ignore the page count. SQLite keeps its parsed schema as long as
// the schema cookie (bytes 40 to 43) does not change. PatchHeader therefore adds cookie_shift to
// the cookie, so that different schemas have different cookies.
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
  // SQLite reads either bytes 24 to 39 or the whole page, so a read contains either the whole
  // cookie or no part of the cookie.
  if (fields.cookie_shift != 0 && offset <= 40 && Inside(40 - offset, 4, size)) {
    uint8_t* cookie = dst + (40 - offset);
    WriteU32(cookie, ReadU32(cookie) + fields.cookie_shift);
  }
}

}  // namespace litestream
