// The bytes of one run of a fuzz target: numbers first, then the bytes that the parser reads. The numbers are
// little-endian and are what test/fuzz/seeds.ts puts in front of real data.
#pragma once
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

namespace litestream {

// What a parser promises; a broken promise is a finding like any other.
#define EXPECT(condition)                                                       \
  do {                                                                          \
    if (!(condition)) {                                                         \
      fprintf(stderr, "%s:%d: expected %s\n", __FILE__, __LINE__, #condition);  \
      abort();                                                                  \
    }                                                                           \
  } while (false)

class Input {
 public:
  Input(const uint8_t* data, size_t size) : data_(data), left_(size) {}

  uint8_t U8() { return uint8_t(Number(1)); }
  uint32_t U32() { return uint32_t(Number(4)); }
  uint64_t U64() { return Number(8); }
  // Of the eight that there are.
  uint32_t PageSize() { return 512u << (U8() & 7); }
  uint32_t Commit() {
    const uint32_t commit = U32();
    return commit == 0 ? 1 : commit == UINT32_MAX ? UINT32_MAX - 1 : commit;
  }
  size_t left() const { return left_; }
  // Copies of the next bytes, so that reading beyond them is found.
  std::vector<uint8_t> Bytes(size_t size) {
    if (size > left_) size = left_;
    std::vector<uint8_t> bytes(data_, data_ + size);
    bytes.shrink_to_fit();
    data_ += size;
    left_ -= size;
    return bytes;
  }
  std::vector<uint8_t> Rest() { return Bytes(left_); }
  // A page of `size` bytes: the rest, filled up with zeros.
  std::vector<uint8_t> Page(size_t size) {
    std::vector<uint8_t> page = Bytes(size);
    page.resize(size);
    page.shrink_to_fit();
    return page;
  }

 private:
  uint64_t Number(size_t bytes) {
    uint64_t number = 0;
    for (size_t i = 0; i < bytes && left_ > 0; i++) {
      number |= uint64_t(*data_++) << (8 * i);
      left_--;
    }
    return number;
  }

  const uint8_t* data_;
  size_t left_;
};

}  // namespace litestream
