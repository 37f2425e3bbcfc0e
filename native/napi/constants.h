// The array layouts that TypeScript and the addon share. constants_napi.cc exports the constants of
// this header and of other headers to TypeScript.
#pragma once
#include <cstdint>

namespace litestream {

// fillSlots takes five numbers per frame, in the order offset, size, pgno, slot, ahead.
constexpr uint32_t kFrameFields = 5;
// If a reader already waits for the page, TypeScript adds kJoined to the prefetch kind in `ahead`.
constexpr uint32_t kJoined = 0x80;

// The number of bits that a frame's size takes in a chunk of a page map. The frame of an
// incompressible page of the largest page size needs 17 bits.
constexpr uint32_t kSizeBits = 18;

// The elements of the Float64Array in which TypeScript keeps the IndexState from one piece of a
// page index to the next.
enum IndexSlot {
  kFault, kAt, kEntry, kValue, kPgno, kOffset, kEnded, kCount, kFileOffset, kShift, kField, kEnd, kPageSize, kCommit,
  kCompleteFrom, kSlots
};

}  // namespace litestream
