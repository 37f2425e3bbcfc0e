// The limits of a database, and therefore of a file of a replica. The same numbers as in
// src/ltx/format.ts.
#pragma once
#include <cstddef>
#include <cstdint>

namespace litestream {

constexpr uint32_t kMinPageSize = 512;
constexpr uint32_t kMaxPageSize = 65536;
// Pages; https://www.sqlite.org/limits.html, "Maximum Number Of Pages". UINT32_MAX is therefore no
// page number, and the number after the last page does not wrap.
constexpr uint32_t kMaxCommit = 0xfffffffe;
// SQLite locks bytes from this offset on; the page that contains it is never stored and reads as
// zeros.
constexpr uint32_t kLockByte = 0x40000000;

constexpr bool IsPageSize(uint32_t size) {
  return size >= kMinPageSize && size <= kMaxPageSize && (size & (size - 1)) == 0;
}
constexpr uint32_t LockPgno(uint32_t page_size) { return kLockByte / page_size + 1; }

// Whether [offset, offset + length) lies within `size` bytes. Computes no sum, so nothing wraps.
constexpr bool Inside(uint64_t offset, uint64_t length, uint64_t size) { return offset <= size && length <= size - offset; }

}  // namespace litestream
