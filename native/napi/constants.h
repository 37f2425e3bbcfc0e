// The layouts of arrays that TypeScript and the addon both read and write. constants_napi.cc
// exports the constants of this header and of other headers to TypeScript.
#pragma once
#include <cstdint>

namespace litestream {

// fillSlots (pages_napi.cc) takes five numbers per frame, in the order offset, size, pgno, slot,
// ahead.
constexpr uint32_t kFrameFields = 5;
// If a reader already waits for a prefetched page, TypeScript adds kJoined to the kind of prefetch
// in the number `ahead`.
constexpr uint32_t kJoined = 0x80;

// The number of bits that a frame's encoded size takes in a chunk of a page map. The frame of an
// incompressible page of 65,536 bytes has the largest encoded size, which needs 17 bits.
constexpr uint32_t kSizeBits = 18;

// The elements of the Float64Array in which TypeScript keeps the IndexState between two pieces of a
// page index.
enum IndexSlot {
  kFault, kAt, kEntry, kValue, kPgno, kOffset, kEnded, kCount, kFileOffset, kShift, kField, kEnd, kPageSize, kCommit,
  kCompleteFrom, kSlots
};

}  // namespace litestream
