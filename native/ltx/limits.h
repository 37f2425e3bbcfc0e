// The limits of an SQLite database, which are also limits of an LTX file. For TypeScript,
// src/ltx/format.ts defines the limits of a database and of an LTX file.
#pragma once
#include <cstddef>
#include <cstdint>

namespace litestream {

constexpr uint32_t kMinPageSize = 512;
constexpr uint32_t kMaxPageSize = 65536;
// The largest possible database size in pages (https://www.sqlite.org/limits.html, "Maximum Number
// Of Pages"). Every page number is less than UINT32_MAX, so a page number plus 1 does not wrap.
constexpr uint32_t kMaxCommit = 0xfffffffe;
// The bytes that SQLite locks begin at file offset 2^30 (PENDING_BYTE). The page that contains
// PENDING_BYTE is the lock page. SQLite never stores the lock page, and the VFS returns zeros for a
// read of the lock page.
constexpr uint32_t kLockByte = 0x40000000;

constexpr bool IsPageSize(uint32_t size) {
  return size >= kMinPageSize && size <= kMaxPageSize && (size & (size - 1)) == 0;
}
constexpr uint32_t LockPgno(uint32_t page_size) { return kLockByte / page_size + 1; }

// Returns whether the range [offset, offset + length) lies within [0, size). Inside does not
// compute the sum offset + length, because it could wrap.
constexpr bool Inside(uint64_t offset, uint64_t length, uint64_t size) { return offset <= size && length <= size - offset; }

}  // namespace litestream
