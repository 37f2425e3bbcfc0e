// Changes the database header that SQLite reads from a view. The database header is the first 100
// bytes of page 1.
#pragma once
#include <cstdint>

#include "ltx/limits.h"
#include "ltx/ltx_codec.h"

namespace litestream {

// The numbers from which PatchHeader computes fields of the database header
// (https://www.sqlite.org/fileformat2.html, section 1.3).
struct HeaderFields {
  uint32_t counter;       // the view's change counter
  uint32_t commit;        // size of the database in pages
  uint32_t cookie_shift;  // added to the schema cookie
};

// Patches a copy of the bytes [offset, offset + size) of page 1. The copy is at `dst`. Bytes 18 and
// 19 of page 1 become 1, so that SQLite uses a rollback journal. Bytes 24 to 27 become the view's
// change counter, and bytes 28 to 31 become the view's database size in pages. Bytes 92 to 95
// repeat the change counter, because SQLite otherwise ignores the database size in the header.
// SQLite keeps its parsed schema as long as the schema cookie (bytes 40 to 43) does not change.
// PatchHeader therefore adds cookie_shift to the cookie, so that different schemas have different
// cookies.
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
  // Of page 1, SQLite reads bytes 24 to 39, the first 100 bytes or the whole page, so no read has
  // only a part of the schema cookie.
  if (fields.cookie_shift != 0 && offset <= 40 && Inside(40 - offset, 4, size)) {
    uint8_t* cookie = dst + (40 - offset);
    WriteU32(cookie, ReadU32(cookie) + fields.cookie_shift);
  }
}

}  // namespace litestream
