// Decodes the page index of an LTX file: triples of uvarints (page number, offset of the frame, bytes of the frame), ascending, ended
// by a zero. It comes in pieces of any size; between them the state is a plain struct.
#pragma once
#include <cstddef>
#include <cstdint>

namespace litestream {

enum class IndexFault : uint32_t {
  kNone = 0,
  kEndsEarly,      // bytes follow on the zero that ends it
  kNumberTooLarge,
  kPageOrder,      // `value` follows `pgno`
  kOutsideBlock,   // the frame of `pgno` is not between the frame before it and the index
  kFrameTooLarge,  // more than the page map can point to
};

struct IndexState {
  uint64_t file_offset = 0;  // where the index begins in the file
  uint64_t at = 0;           // bytes read
  uint64_t entry = 0;        // where the entry under way began
  uint64_t value = 0;        // the number under way; after a fault, the value that is wrong
  uint32_t shift = 0;
  uint32_t field = 0;        // 0: page number, 1: offset, 2: size
  uint32_t pgno = 0;         // the last page number, 0 before the first
  uint64_t offset = 0;
  uint64_t end = 0;          // of the frame before; at first, of the file's header
  uint64_t count = 0;        // entries read
  bool ended = false;
};

// Of 8 bytes of 7 bits each: what no offset reaches.
constexpr uint32_t kMaxShift = 49;

// Calls frame(pgno, offset, size), which returns false to refuse a frame (kFrameTooLarge), for each entry that ends in `bytes`.
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
        if (value <= state.pgno || value > UINT32_MAX) return IndexFault::kPageOrder;
        state.pgno = uint32_t(value);
        state.field = 1;
      }
    } else if (state.field == 1) {
      state.offset = value;
      state.field = 2;
    } else {
      if (state.offset < state.end || value < 1 || value > UINT32_MAX || state.offset + value > state.file_offset)
        return IndexFault::kOutsideBlock;
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
