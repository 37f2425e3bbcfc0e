// Decodes the page index of an LTX file. The page index is a list of entries in ascending order of
// page numbers. Each entry has three uvarints: the page number, the file offset of the frame and
// the frame's size in bytes. A zero byte ends the list. The caller may pass the index in pieces of
// any size, and keeps an IndexState from one piece to the next.
//
// The decoder checks each entry without reading the frames. The frames of an LTX file are
// contiguous from the file header to the end of the page block. A lost, added or changed entry
// therefore causes a gap or an overlap.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "ltx/limits.h"
#include "ltx/ltx_codec.h"

namespace litestream {

enum class IndexFault : uint32_t {
  kNone = 0,
  kEndsEarly,      // bytes follow the zero that ends the index
  kNumberTooLarge,
  kPageOrder,      // page `value` follows page `pgno`
  kOutsideBlock,   // the frame of `pgno` is not inside the page block
  kNotContiguous,  // the frame of `pgno` does not begin where the previous frame ends
  kFrameSize,      // no frame of this page size has `value` bytes
  kBeyondCommit,   // `pgno` is beyond the database
  kLockPage,       // `pgno` is the lock page, which is never stored
  kMissing,        // the index has `pgno` instead of `value`
  kUnlisted,       // the last frame ends before the end of the page block, which is `value`
  kEndsBefore,     // the index ends inside an entry
  kFrameTooLarge,  // the frame is larger than the page map can represent
};

// The limits of a page index. These limits follow from the LTX file's header and from the earlier
// LTX files of the replica.
struct IndexRules {
  // `page_size` must be a power of two from 512 to 65,536.
  IndexRules(uint32_t page_size, uint32_t commit, uint32_t complete_from)
      : commit(commit),
        complete_from(complete_from),
        lock_pgno(LockPgno(page_size)),
        max_frame_size(MaxFrameSize(page_size) + kOlderFormBytes) {}

  // A frame without a size field can have up to 64 bytes more than MaxFrameSize, because its LZ4
  // frame has headers and checksums.
  static constexpr uint64_t kOlderFormBytes = 64;

  uint32_t commit;  // pages of the database
  // The file must contain every page from page complete_from + 1 to page `commit`. `complete_from`
  // is 0 in a file that holds the whole database. In a file that holds only changed pages,
  // `complete_from` is the largest database size in pages before this file.
  uint32_t complete_from;
  uint32_t lock_pgno;
  uint64_t max_frame_size;

  // Returns the next page number after `pgno` that an LTX file can contain. An LTX file never
  // contains the lock page.
  uint64_t NextPage(uint64_t pgno) const { return pgno + (pgno + 1 == lock_pgno ? 2 : 1); }
};

struct IndexState {
  explicit IndexState(const IndexRules& rules) : rules(rules) {}

  IndexRules rules;
  uint64_t file_offset = 0;  // offset of the index in the file
  uint64_t at = 0;           // bytes read
  uint64_t entry = 0;        // position at which the current entry began
  uint64_t value = 0;        // the number being decoded; after a fault, the wrong value
  uint32_t shift = 0;
  uint32_t field = 0;        // 0: page number, 1: offset, 2: size
  uint32_t pgno = 0;         // the last page number, 0 before the first
  uint64_t offset = 0;
  uint64_t end = 0;          // end of the frame before; at first, of the file's header
  uint64_t count = 0;        // entries read
  bool ended = false;

  // Returns the file offset of the end marker. The end marker is between the page block and the
  // index.
  uint64_t block_end() const { return file_offset < kPageHeaderSize ? 0 : file_offset - kPageHeaderSize; }
};

// A uvarint of an index has at most 8 bytes with 7 bits each, because no file offset needs more
// bits.
constexpr uint32_t kMaxShift = 49;
constexpr uint64_t kMaxIndexNumber = (uint64_t(1) << (kMaxShift + 7)) - 1;

inline IndexFault CheckPage(IndexState& state, uint64_t pgno) {
  const IndexRules& rules = state.rules;
  if (pgno <= state.pgno || pgno > UINT32_MAX) return IndexFault::kPageOrder;
  const uint64_t before = std::max(state.pgno, rules.complete_from);
  state.pgno = uint32_t(pgno);
  if (pgno == rules.lock_pgno) return IndexFault::kLockPage;
  if (pgno > rules.commit) return IndexFault::kBeyondCommit;
  if (pgno > rules.complete_from && pgno != rules.NextPage(before)) {
    state.value = rules.NextPage(before);
    return IndexFault::kMissing;
  }
  return IndexFault::kNone;
}

inline IndexFault CheckFrame(const IndexState& state, uint64_t size) {
  if (size > state.rules.max_frame_size || size <= kFrameHeaderSize) return IndexFault::kFrameSize;
  if (!Inside(state.offset, size, state.block_end())) return IndexFault::kOutsideBlock;
  return state.offset == state.end ? IndexFault::kNone : IndexFault::kNotContiguous;
}

// Makes the checks that are possible only after the whole page index was read. Before this call,
// the caller must pass all bytes of the index to ReadIndex.
inline IndexFault EndIndex(IndexState& state) {
  const IndexRules& rules = state.rules;
  if (!state.ended) return IndexFault::kEndsBefore;
  if (state.end != state.block_end()) {
    state.value = state.end;
    return IndexFault::kUnlisted;
  }
  const uint64_t next = rules.NextPage(std::max(state.pgno, rules.complete_from));
  if (next <= rules.commit) {
    state.value = next;
    return IndexFault::kMissing;
  }
  return IndexFault::kNone;
}

// Calls frame(pgno, offset, size) for each entry whose last byte is in `bytes`. If the callback
// returns false, the result of ReadIndex is kFrameTooLarge.
template <typename Frame>
IndexFault ReadIndex(IndexState& state, const uint8_t* bytes, size_t length, Frame&& frame) {
  for (size_t i = 0; i < length; i++) {
    if (state.ended) {
      state.at += i;
      return IndexFault::kEndsEarly;
    }
    const uint8_t byte = bytes[i];
    state.value += uint64_t(byte & 0x7f) << state.shift;
    if (byte >= 0x80) {
      state.shift += 7;
      if (state.shift > kMaxShift) {
        state.at += i + 1;
        return IndexFault::kNumberTooLarge;
      }
      continue;
    }
    const uint64_t value = state.value;
    if (state.field == 0) {
      if (value == 0) {
        state.ended = true;
      } else {
        const IndexFault fault = CheckPage(state, value);
        if (fault != IndexFault::kNone) return fault;
        state.field = 1;
      }
    } else if (state.field == 1) {
      state.offset = value;
      state.field = 2;
    } else {
      const IndexFault fault = CheckFrame(state, value);
      if (fault != IndexFault::kNone) return fault;
      if (!frame(state.pgno, state.offset, uint32_t(value))) return IndexFault::kFrameTooLarge;
      state.end = state.offset + value;
      state.field = 0;
      state.count++;
      state.entry = state.at + i + 1;
    }
    state.value = 0;
    state.shift = 0;
  }
  state.at += length;
  return IndexFault::kNone;
}

}  // namespace litestream
