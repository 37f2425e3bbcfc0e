// Decodes the page index of an LTX file. The page index is a list of entries in ascending order of
// page numbers. Each entry has uvarints for the page number, the frame's file offset and the
// frame's encoded size in bytes. A zero byte ends the page index. The caller may pass the encoded
// index to ReadIndex in pieces of any size. For all pieces of an index, the caller passes one
// IndexState.
//
// ReadIndex checks each entry without reading the frames. The frames of an LTX file are contiguous
// from the file header to the end of the page block. If an entry was lost, added or changed, the
// frames in the index have a gap or an overlap.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "ltx/limits.h"
#include "ltx/ltx_codec.h"

namespace litestream {

enum class IndexFault : uint32_t {
  kNone = 0,
  kEndsEarly,      // bytes follow the zero byte that ends the index
  kNumberTooLarge,
  kPageOrder,      // page `value` follows page `pgno`
  kOutsideBlock,   // the frame of `pgno` is not inside the page block
  kNotContiguous,  // the frame of `pgno` does not begin where the previous frame ends
  kFrameSize,      // no frame of this page size has `value` bytes
  kBeyondCommit,   // `pgno` is beyond the database
  kLockPage,       // `pgno` is the lock page, which is never stored
  kMissing,        // the index has `pgno` instead of `value`
  kUnlisted,       // the last frame ends at `value`, not at the end of the page block
  kEndsBefore,     // the index ends inside an entry
  kFrameTooLarge,  // the frame is larger than the page map can represent
};

// The limits for the entries of a page index. The caller derives the IndexRules from the LTX file's
// header and from the replica's earlier LTX files.
struct IndexRules {
  // `page_size` must be a power of two from 512 to 65,536.
  IndexRules(uint32_t page_size, uint32_t commit, uint32_t complete_from)
      : commit(commit),
        complete_from(complete_from),
        lock_pgno(LockPgno(page_size)),
        max_frame_size(MaxFrameSize(page_size) + kOlderFormBytes) {}

  // A frame without a size field can be up to 64 bytes larger than MaxFrameSize, because its
  // payload is an LZ4 frame with headers and checksums.
  static constexpr uint64_t kOlderFormBytes = 64;

  uint32_t commit;  // database size in pages
  // The LTX file must contain every page from page complete_from + 1 to page `commit`, except the
  // lock page. If the file contains the whole database, `complete_from` is 0. If the file contains
  // only changed pages, `complete_from` is the largest size (in pages) that the database had at any
  // earlier TXID.
  uint32_t complete_from;
  uint32_t lock_pgno;
  uint64_t max_frame_size;

  // Returns the smallest page number above `pgno` that an LTX file can contain. An LTX file never
  // contains the lock page.
  uint64_t NextPage(uint64_t pgno) const { return pgno + (pgno + 1 == lock_pgno ? 2 : 1); }
};

struct IndexState {
  explicit IndexState(const IndexRules& rules) : rules(rules) {}

  IndexRules rules;
  uint64_t file_offset = 0;  // file offset of the index
  uint64_t at = 0;           // number of index bytes read so far
  uint64_t entry = 0;        // offset of the current entry in the index
  uint64_t value = 0;        // the number being decoded; after a fault, the wrong value
  uint32_t shift = 0;
  uint32_t field = 0;        // the uvarint being decoded; 0: page number, 1: offset, 2: size
  uint32_t pgno = 0;         // the last page number read; 0: none
  uint64_t offset = 0;
  uint64_t end = 0;          // end of the previous frame; at first, of the LTX header
  uint64_t count = 0;        // number of entries read so far
  bool ended = false;

  // Returns the file offset of the end marker. The end marker is between the last frame and the
  // page index.
  uint64_t block_end() const { return file_offset < kPageHeaderSize ? 0 : file_offset - kPageHeaderSize; }
};

// A uvarint of a page index has at most 8 bytes. Each byte of a uvarint has 7 bits of the number,
// and no file offset needs more than 56 bits.
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

// Makes those checks that are possible only after the whole page index was read. Before the caller
// calls EndIndex, it must pass all bytes of the index to ReadIndex.
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

// Reads the next `length` bytes of the encoded page index. Calls frame(pgno, offset, size) for each
// entry whose last byte is in `bytes`. `offset` is the frame's file offset, and `size` is the
// frame's encoded size in bytes. If the callback `frame` returns false, ReadIndex returns
// kFrameTooLarge.
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
