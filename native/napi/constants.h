// Array layouts that TypeScript and the addon share. constants_napi.cc exports the constants of
// this header and of other headers to TypeScript.
#pragma once
#include <cstdint>

namespace litestream {

// fillSlots takes five numbers per frame, in the order offset, size, pgno, slot, ahead.
constexpr uint32_t kFrameFields = 5;
// TypeScript adds kJoined to the prefetch kind in `ahead` if a reader already waits for the page.
constexpr uint32_t kJoined = 0x80;

// The number of bits for the size of a frame in a chunk of a page map. The frame of the largest
// incompressible page needs 17 bits.
constexpr uint32_t kSizeBits = 18;

// The elements of the Float64Array in which TypeScript keeps the IndexState between two pieces of a
// page index.
enum IndexSlot {
  kFault, kAt, kEntry, kValue, kPgno, kOffset, kEnded, kCount, kFileOffset, kShift, kField, kEnd, kPageSize, kCommit,
  kCompleteFrom, kSlots
};

}  // namespace litestream
