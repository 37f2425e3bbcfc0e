// The limits of a database, and therefore of an LTX file. src/ltx/format.ts defines the same
// limits.
#pragma once
#include <cstddef>
#include <cstdint>

namespace litestream {

constexpr uint32_t kMinPageSize = 512;
constexpr uint32_t kMaxPageSize = 65536;
// The largest size of a database in pages (https://www.sqlite.org/limits.html, "Maximum Number Of
// Pages"). UINT32_MAX is larger than every page number, so adding 1 to a page number does not wrap.
constexpr uint32_t kMaxCommit = 0xfffffffe;
// The bytes that SQLite locks begin at offset 2^30 (PENDING_BYTE). SQLite never stores the page
// that contains PENDING_BYTE. The page that contains PENDING_BYTE is the lock page, and the VFS
// returns zeros for the lock page.
constexpr uint32_t kLockByte = 0x40000000;

constexpr bool IsPageSize(uint32_t size) {
  return size >= kMinPageSize && size <= kMaxPageSize && (size & (size - 1)) == 0;
}
constexpr uint32_t LockPgno(uint32_t page_size) { return kLockByte / page_size + 1; }

// Returns whether the range [offset, offset + length) is within `size` bytes. Does not add offset
// and length, because the sum could wrap.
constexpr bool Inside(uint64_t offset, uint64_t length, uint64_t size) { return offset <= size && length <= size - offset; }

}  // namespace litestream
