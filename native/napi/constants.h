// Layouts that TypeScript and the addon share. constants_napi.cc exports them to TypeScript, with
// the constants of other headers.
#pragma once
#include <cstdint>

namespace litestream {

// A frame in the argument of fillSlots: offset, size, pgno, slot, ahead.
constexpr uint32_t kFrameFields = 5;
// Added to the kind of prefetch in `ahead` if a reader waits for the page by now.
constexpr uint32_t kJoined = 0x80;

// Bits of a frame's size in a chunk of a page map; the largest incompressible page needs 17.
constexpr uint32_t kSizeBits = 18;

// Elements of the array that TypeScript keeps between two pieces of a page index.
enum IndexSlot {
  kFault, kAt, kEntry, kValue, kPgno, kOffset, kEnded, kCount, kFileOffset, kShift, kField, kEnd, kPageSize, kCommit,
  kCompleteFrom, kSlots
};

}  // namespace litestream
